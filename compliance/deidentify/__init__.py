"""Records without the people in them: what stays of a resource, whose dates move, and which groups are too small."""

from compliance.deidentify.groups import Person, Suppressed, age_group, suppress
from compliance.deidentify.projection import KINDS, person_resource, project

__all__ = ["KINDS", "Person", "Suppressed", "age_group", "person_resource", "project", "suppress"]
