"""WebRTC without its IO: what descriptions say, and how they are signed and sealed for a device."""
