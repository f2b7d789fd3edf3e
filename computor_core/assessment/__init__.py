"""Assessment: what an example tests, how that becomes a job, and what the job's report means.

Pure functions over plain values. Nothing here knows a database, a network or a runner; the one
thing that is read from disk is an example's directory, by its format.

* :mod:`~computor_core.assessment.model`: the test specification and the test report
* :mod:`~computor_core.assessment.build`: specification → :class:`RunJob`
* :mod:`~computor_core.assessment.judge`: job + :class:`RunReport` → test report
* :mod:`~computor_core.assessment.formats`: directories → examples
"""
