"""The run that tests/release packs; its cards are packed as well."""

from tests.release.conftest import contents

__all__ = ["contents"]
