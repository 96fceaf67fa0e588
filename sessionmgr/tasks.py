"""Celery's way to the jobs: one line each. Without Celery, the commands do the same.

Publish with ``expires`` and ignore results: a missed run is made good by the next one.
"""

from celery import shared_task

from sessionmgr import jobs


@shared_task(ignore_result=True)
def expire_stale_sessions() -> dict[str, int]:
    """End the sessions that nobody comes back to (every minute)."""
    return jobs.expire_stale_sessions()


@shared_task(ignore_result=True)
def purge_ended_sessions() -> dict[str, int]:
    """Delete the history of ends that is past its days (daily)."""
    return jobs.purge_ended_sessions()


@shared_task(ignore_result=True)
def renew_identity_leases() -> dict[str, int]:
    """Have the identity provider confirm the sessions in use, ahead of time (every minute)."""
    # Here, as the packages of OpenID Connect are optional.
    from sessionmgr.identity.rounds import renew_identity_leases as renew

    return renew()
