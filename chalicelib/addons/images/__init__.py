"""Pictures that people upload: checked, drawn again, kept in a bucket."""

from chalicelib.foundation.addons import Addon

ADDON = Addon(routes="api", jobs="jobs", functions=("clean_images", "process_image"))
