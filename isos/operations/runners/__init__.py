"""What each kind of operation does."""

from isos.models import Operation
from isos.operations.engine import Runner
from isos.operations.runners.copy import CopyRunner
from isos.operations.runners.delete import DeleteRunner
from isos.operations.runners.fetch import FetchRunner
from isos.operations.runners.ingest import IngestRunner

RUNNERS: dict[Operation.Kind, Runner] = {
    Operation.Kind.INGEST: IngestRunner(),
    Operation.Kind.FETCH: FetchRunner(),
    Operation.Kind.COPY: CopyRunner(),
    Operation.Kind.DELETE: DeleteRunner(),
}
