"""The User API's rules: no HTTP, no SQL. One module per resource; the panel and the command line call them too."""

from dataclasses import dataclass

from app.services.assets import AssetService
from app.services.auth import Authenticator
from app.services.deliveries import DeliveryService
from app.services.documents import DocumentService
from app.services.endpoints import EndpointService
from app.services.fonts import FontService
from app.services.renders import RenderService
from app.services.template_changes import TemplateChanges
from app.services.templates import TemplateService
from app.services.users import UserService
from backends.receivers import Receivers


@dataclass(frozen=True)
class Services:
    auth: Authenticator
    users: UserService
    documents: DocumentService
    templates: TemplateService
    template_changes: TemplateChanges
    deliveries: DeliveryService
    endpoints: EndpointService
    receivers: Receivers
    assets: AssetService
    fonts: FontService
    renders: RenderService
