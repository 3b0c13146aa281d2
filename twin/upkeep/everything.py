"""All checks in the order in which one depends on the other."""

from __future__ import annotations

from django.db import Error
from redis import RedisError

from compliance.errors import DomainError
from twin.upkeep import duties, ground
from twin.upkeep.findings import Finding, asked

Failures = tuple[type[Exception], ...]
DATABASE: Failures = (Error,)
DATABASE_ADVICE = "is PostgreSQL up, and is DATABASE_URL right? Web processes go on when it comes back"
REDIS_ADVICE = "is Redis up, and is REDIS_URL right? Pages go on, more slowly; tasks wait"
CHECKS = (
    ("settings", ground.check_settings, (), ""),
    ("key files", ground.check_key_files, (OSError,), "can this user reach the files?"),
    ("disk", ground.check_disk, (OSError,), "can this user reach the folders?"),
    ("static files", ground.check_static, (OSError,), "can this user reach MEDTWIN_HOME?"),
    ("database", ground.check_database, DATABASE, DATABASE_ADVICE),
    ("migrations", ground.check_migrations, DATABASE, DATABASE_ADVICE),
    ("Redis", ground.check_redis, (RedisError,), REDIS_ADVICE),
    (
        "MQTT broker",
        ground.check_broker,
        (OSError,),
        "is it up, is MQTT_URL right? Gateways keep what they measure",
    ),
    ("worker and beat", duties.check_tasks, (RedisError,), REDIS_ADVICE),
    ("policy", duties.check_policy, (*DATABASE, DomainError), "manage.py use_policy --house; everything is refused"),
    ("transparency log", duties.check_log, DATABASE, DATABASE_ADVICE),
    ("sealed frames", duties.check_sealing, (*DATABASE, DomainError), "is TELEMETRY_URL right?"),
    ("HL7", duties.check_hl7, DATABASE, DATABASE_ADVICE),
    ("gateways", duties.check_gateways, DATABASE, DATABASE_ADVICE),
    ("administrators and notices", duties.check_people, DATABASE, DATABASE_ADVICE),
)


def look_at_everything() -> list[Finding]:
    """Return what every check finds; one that cannot be made is a finding and stops no other."""
    return [line for subject, check, failures, advice in CHECKS for line in asked(subject, check, failures, advice)]
