"""One emulated device on the air: the services of its kind, its information, its advertising, its bond."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bumble.core import AdvertisingData
from bumble.device import Connection, Device
from bumble.gatt import Characteristic, Service

from devices.bluetooth.codec.device import SystemId
from devices.bluetooth.host import secure_pairing
from devices.bluetooth.peripheral.base import READ, Port, Sensor, characteristic
from devices.bluetooth.peripheral.glucose import GlucoseSensor
from devices.bluetooth.peripheral.insulin import InsulinSensor
from devices.bluetooth.peripheral.log import LogSensor
from devices.bluetooth.peripheral.stored import CuffSensor, ThermometerSensor
from devices.bluetooth.peripheral.vitals import BatterySensor, HeartRateSensor, OximeterSensor
from devices.bluetooth.uuids import FIRMWARE, MANUFACTURER, MODEL, SERIAL, SYSTEM_ID, uuid
from devices.emulator.plant import Block, Sample
from devices.kinds import gatt
from devices.kinds.measurement import DeviceKind

SENSORS: Mapping[int, Callable[[Port], Sensor]] = {
    gatt.HEART_RATE: HeartRateSensor,
    gatt.PULSE_OXIMETER: OximeterSensor,
    gatt.THERMOMETER: ThermometerSensor,
    gatt.BLOOD_PRESSURE: CuffSensor,
    gatt.GLUCOSE_MONITORING: GlucoseSensor,
    gatt.INSULIN_DELIVERY: InsulinSensor,
    gatt.BATTERY_SERVICE: BatterySensor,
    gatt.MEASUREMENT_LOG: LogSensor,
}
MAKER, FIRMWARE_TEXT, ORGANISATION = b"Medtwin emulation", b"1.0", 0xFFFFFF
ADVERTISED_EVERY_MS = 400.0


@dataclass(frozen=True, slots=True)
class Identity:
    """Who an emulated device is. passkey: what it shows while pairing, None when it can show nothing."""

    device_id: int
    kind: DeviceKind
    serial: str
    passkey: int | None = None

    @property
    def name(self) -> str:
        """What it advertises."""
        return f"{self.kind.name[:16]}-{self.device_id}"


class EmulatedPeripheral:
    """A GATT server over the services that the kind's table names."""

    def __init__(self, device: Device, identity: Identity) -> None:
        self.device, self.identity = device, identity
        self._port = Port(device)
        self._sensors: dict[int, Sensor] = {}
        self._missed: dict[int, Sensor] = {}
        codes = {measurement.key: measurement.code for measurement in identity.kind.measurements}
        for described in identity.kind.services:
            sensor = SENSORS[described.number](self._port)
            device.add_service(sensor.service)
            self._sensors.update((codes[key], sensor) for key in described.carries)
            self._missed.update((codes[key], sensor) for key in described.missed)
        device.add_service(self._information())
        device.pairing_config_factory = secure_pairing(identity.passkey, shows=True)
        device.on(Device.EVENT_CONNECTION, self._connected)
        device.on("characteristic_subscription", self._subscribed)

    async def start(self) -> None:
        """Switch on and advertise; advertising begins again after every connection."""
        await self.device.power_on()
        services = [uuid(service.number) for service in self.identity.kind.services]
        short = b"".join(bytes(one) for one in services if len(bytes(one)) == 2)
        data = AdvertisingData(
            [
                (AdvertisingData.FLAGS, b"\x06"),
                (AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS, short),
                (AdvertisingData.COMPLETE_LOCAL_NAME, self.identity.name.encode()),
            ]
        )
        await self.device.start_advertising(
            auto_restart=True,
            advertising_data=bytes(data),
            advertising_interval_min=ADVERTISED_EVERY_MS,
            advertising_interval_max=ADVERTISED_EVERY_MS,
        )

    def measured(self, one: Sample | Block, *, live: bool = True) -> None:
        """Take what the plant says that this device measured; what is not live was measured a while ago.

        A service whose messages carry no time can only say what is now, so that the past goes into the log.
        """
        sensor, log = self._sensors.get(one.metric_code), self._missed.get(one.metric_code)
        said = sensor is not None and (live or log is None) and sensor.measured(one)
        if not said and log is not None:
            log.measured(one)

    async def stop(self) -> None:
        """End what is being sent and switch off."""
        await self._port.aclose()
        await self.device.power_off()

    def _information(self) -> Service:
        system = SystemId(self.identity.device_id, ORGANISATION).encode()
        fields = {
            SYSTEM_ID: system,
            MODEL: self.identity.kind.name.encode(),
            SERIAL: self.identity.serial.encode(),
            FIRMWARE: FIRMWARE_TEXT,
            MANUFACTURER: MAKER,
        }
        readable = [characteristic(number, READ, read=value, public=True) for number, value in fields.items()]
        return Service(uuid(gatt.DEVICE_INFORMATION), readable)

    def _connected(self, connection: Connection) -> None:
        self._port.opened(connection)
        connection.on(Connection.EVENT_DISCONNECTION, lambda _reason: self._port.closed())
        connection.on(Connection.EVENT_CONNECTION_ENCRYPTION_CHANGE, self._listened)

    def _subscribed(self, _bearer: Connection, _about: Characteristic[bytes], _notify: bool, _indicate: bool) -> None:
        self._listened()

    def _listened(self) -> None:
        for sensor in {id(sensor): sensor for sensor in self._sensors.values()}.values():
            sensor.listened()
