"""Names, serial numbers and files with which an administrator brings in gateways and devices."""
