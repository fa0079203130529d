"""Check and re-encode the pictures that people upload, and keep them in a bucket."""

from chalicelib.foundation.addons import Addon

ADDON = Addon(routes="api", functions=("clean_images", "process_image"))
