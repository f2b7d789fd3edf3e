"""What happens around every request, as plain ASGI applications, outermost first.

=============== ====================================================================
``headers``     security headers
``entrance``    request id, arrival time, access log, metrics, the answer to a crash
(compression)   Starlette's
``body_limit``  the size of the body, counted as it arrives
=============== ====================================================================
"""
