"""The folders that Typst templates read from: files on disk that cannot be virtual, and the library that ships.

Each folder is written once for its bundle; the folders used least recently go. Pictures of a document are removed
with it.
"""

import errno
import shutil
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from contracts.templates import TemplateBundle
from generator.renderers.image_headers import MAX_PIXELS, picture_of
from generator.renderers.port import failed
from generator.renderers.typst_assets import FOLDER
from generator.renderers.typst_compilers import is_font

BUNDLES_ON_DISK = 16
_TEXT_SUFFIXES = frozenset({".typ", ".json", ".csv", ".txt", ".toml", ".yaml", ".yml", ".xml", ".svg", ".bib", ".md"})
_LIBRARY = Path(__file__).with_name("typst_library")
#: What the library shares with the templates that ship.
_SHARED = Path(__file__).resolve().parents[2] / "templates" / "shared"


def library() -> dict[str, bytes]:
    """Return the files that every template may import, by name below the root."""
    own = {path.name: path.read_bytes() for path in sorted(_LIBRARY.glob("*.typ"))}
    shared = {path.name: path.read_bytes() for path in sorted(_SHARED.glob("*.typ"))}
    facade = own.pop("presswork.typ")
    return {"presswork.typ": facade, **{f"{FOLDER}/{name}": text for name, text in (shared | own).items()}}


def is_text(name: str, content: bytes) -> bool:
    """Whether a file can be virtual: the compiler takes those as UTF-8 only, and interns each name for good."""
    if PurePosixPath(name).suffix.lower() not in _TEXT_SUFFIXES:
        return False
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


class Roots:
    """Folders by bundle, below `scratch`. The library is in each: on disk, the compiler keeps what it parsed."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._library = library()
        self._written: OrderedDict[str, None] = OrderedDict()
        self.plain = scratch / "plain"
        _write(self.plain, self._library)

    def whole(self, bundle: TemplateBundle) -> Path:
        """Return a folder with all files of a bundle that ships: what it parsed stays parsed."""
        return self._on_disk(bundle.sha256, bundle.files)

    def of(self, bundle: TemplateBundle) -> Path:
        """Return a folder with the files of a bundle that are no text. Raises DocumentFailed for a huge picture."""
        if all(is_text(name, content) or name.endswith(".docx") for name, content in bundle.files.items()):
            return self.plain
        if bundle.sha256 in self._written:
            return self._on_disk(bundle.sha256, {})
        binary = {name: content for name, content in bundle.files.items() if not is_text(name, content)}
        for name, content in binary.items():
            _check_picture(name, content)
        return self._on_disk(bundle.sha256, {**self._library, **_seen(binary)})

    def _on_disk(self, sha256: str, files: Mapping[str, bytes]) -> Path:
        root = self._scratch / sha256
        if sha256 in self._written:
            self._written.move_to_end(sha256)
            return root
        try:
            _write(root, files)
        except OSError as error:
            shutil.rmtree(root, ignore_errors=True)
            raise _unwritable(error) from error
        self._written[sha256] = None
        if len(self._written) > BUNDLES_ON_DISK:
            shutil.rmtree(self._scratch / self._written.popitem(last=False)[0])
        return root


@contextmanager
def placed(root: Path, files: Mapping[str, bytes]) -> Iterator[None]:
    """Have further files in a folder for the time of one document."""
    try:
        _write(root, files)
        yield
    finally:
        for name in files:
            (root / name).unlink(missing_ok=True)


def _write(root: Path, files: Mapping[str, bytes]) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = root / PurePosixPath(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _unwritable(error: OSError) -> Exception:
    """Say what is wrong with a file's name; any other error stays what it is."""
    name = Path(str(error.filename)).name
    if isinstance(error, FileExistsError | NotADirectoryError | IsADirectoryError):
        return failed("template_error", f"{name} is a file and a folder at once.", hint="Rename one of them.")
    if error.errno == errno.ENAMETOOLONG:
        return failed("template_error", f"{name[:80]}... is too long a name.", hint="Rename the file.")
    return error


def _seen(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Leave out fonts, which the compiler gets apart, and what stands where the pictures of documents are."""
    return {
        name: content for name, content in files.items() if not (is_font(name) or name.startswith(f"{FOLDER}/asset-"))
    }


def _check_picture(name: str, content: bytes) -> None:
    picture = picture_of(content)
    if picture is not None and picture.too_large:
        size = f"{picture.width} x {picture.height} pixels"
        message = f"{name} has {size}: {MAX_PIXELS} in all are allowed."
        raise failed("template_error", message, part=name, hint="Make the picture smaller.")
