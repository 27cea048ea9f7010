"""The checks in their order: each relies on what those before it have mended."""

from generator.maintenance.doctor.account_history import AccountHistory
from generator.maintenance.doctor.counters import Counters
from generator.maintenance.doctor.delivery_history import DeliveryHistory
from generator.maintenance.doctor.delivery_places import DeliveryPlaces
from generator.maintenance.doctor.document_history import DocumentHistory
from generator.maintenance.doctor.endpoint_history import EndpointHistory
from generator.maintenance.doctor.indices import Indices
from generator.maintenance.doctor.inputs import Inputs
from generator.maintenance.doctor.lanes import Lanes
from generator.maintenance.doctor.lifetimes import Lifetimes
from generator.maintenance.doctor.lost_deliveries import LostDeliveries
from generator.maintenance.doctor.lost_documents import LostDocuments
from generator.maintenance.doctor.orphans import Orphans
from generator.maintenance.doctor.places import Places
from generator.maintenance.doctor.port import Check
from generator.maintenance.doctor.results import Results
from generator.maintenance.doctor.schema import Schema
from generator.maintenance.doctor.serving_set import ServingSet
from generator.maintenance.doctor.settled import Settled
from generator.maintenance.doctor.stores import Stores
from generator.maintenance.doctor.template_history import TemplateHistory
from generator.maintenance.pruning import Pruning


def all_checks(stores: Stores, pruning: Pruning) -> list[Check]:
    """Return every check: first the schema and the users, which documents need; last what may be removed."""
    return [
        Schema(stores),
        ServingSet(stores),
        Indices(stores),
        LostDocuments(stores),
        LostDeliveries(stores),
        Inputs(stores),
        Places(stores),
        DeliveryPlaces(stores),
        Lanes(stores),
        Counters(stores),
        DocumentHistory(stores),
        AccountHistory(stores),
        TemplateHistory(stores),
        EndpointHistory(stores),
        DeliveryHistory(stores),
        Settled(stores),
        Lifetimes(stores),
        Results(stores),
        Orphans(pruning),
    ]
