"""The command line: `python -m shared` prints the settings that every service has."""

import os
import sys
from dataclasses import asdict

from shared.settings import PREFIX, Settings, SettingsError, read

try:
    for name, value in asdict(read(Settings, os.environ)).items():
        print(f"{PREFIX}{name.upper()}={value}")
except SettingsError as error:
    sys.exit(f"shared: {error}")
