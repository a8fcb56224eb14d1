"""The YAML file with everything an installation decides for itself."""

# In the order of a run. Here and not beside the model of the config, so that the command line imports no pydantic.
FLOWS = ("customers", "projects", "orders", "invoice", "hours")
