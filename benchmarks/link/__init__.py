"""What the device link costs a gateway, against its bars. Each module with a `measure` is one part."""
