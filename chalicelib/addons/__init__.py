"""The add-ons. Each package declares itself in `ADDON` (`chalicelib.foundation.addons`); FAIRGATE_ADDONS names the enabled add-ons."""
