"""The JSON API, a module for each kind of resource."""
