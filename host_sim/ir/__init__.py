"""Infrared on the host: signals, formats, pictures. It must never have codecs beside the device's own."""
