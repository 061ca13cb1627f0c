"""`umqtt`, as stock ESP32 firmware has it frozen."""
