"""All flows of the product, by name. Each is declared beside the steps of its scene."""

from tests.proof import buyers, payments, people, regions, rooms, routes
from tests.proof.harness import Flow

FLOWS: dict[str, Flow] = buyers.FLOWS | payments.FLOWS | rooms.FLOWS | regions.FLOWS | people.FLOWS | routes.FLOWS
