"""WebRTC data channels by aiortc, which is imported only when the first is wanted."""
