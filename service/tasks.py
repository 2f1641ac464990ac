"""The Celery driver: one task whose argument is one integer, and only a hint. Celery lives here.

The broker is never the truth: late acknowledgement, no results, no retries, no schedules. Whatever
it loses, the reconciler hints at again; whatever it repeats, the queue's claims make harmless.
"""

import threading

from celery import Celery
from celery.signals import setup_logging, worker_ready, worker_shutting_down
from celery.worker import state

from service import broker_tls
from service.bootstrap import Parts
from service.store import owners
from service.work import QUEUES, work_once
from service.worker import drain

TASK = "segue.do"
ANSWER_SECONDS = 2.0  # a broker that hangs must not hold up whoever hints
ASK_SECONDS = 10.0
AMQP = ("amqp://", "amqps://")


def create_app(broker: str) -> Celery:
    """A Celery application for the broker's URL, set so that it can lose nothing that matters."""
    address, checked = broker_tls.parted(broker)
    app = Celery("segue", broker=address)
    app.conf.update(
        accept_content=["json"],
        broker_connection_max_retries=None,
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=ANSWER_SECONDS,
        broker_transport_options=_transport(broker),
        broker_use_ssl=checked,
        result_backend=None,
        task_acks_late=True,
        # On RabbitMQ a queue that outlives one of its servers; the others know no types.
        task_create_missing_queue_type="quorum" if broker.startswith(AMQP) else "classic",
        task_default_queue="patient",
        task_ignore_result=True,
        task_reject_on_worker_lost=False,
        task_serializer="json",
        worker_enable_remote_control=False,
        worker_prefetch_multiplier=1,
        worker_send_task_events=False,
    )
    return app


def _transport(broker: str) -> dict[str, object]:
    """What each kind of broker calls a bound on waiting; RabbitMQ also says when it has a message."""
    if broker.startswith(AMQP):
        bounded = dict.fromkeys(("connect_timeout", "read_timeout", "write_timeout"), ANSWER_SECONDS)
        return {"confirm_publish": True, **bounded}
    return {
        "visibility_timeout": 600,
        "socket_timeout": ANSWER_SECONDS,
        "socket_connect_timeout": ANSWER_SECONDS,
        "retry_on_timeout": False,
        # For how long it waits for a message before it asks again; what comes meanwhile is heard at once.
        "polling_interval": ASK_SECONDS,
    }


def register(app: Celery, parts: Parts, queue: str, stop: threading.Event) -> None:
    """Give a worker's application its one task."""
    owner = owners.name_of_this_process(queue)

    @app.task(name=TASK)  # type: ignore[untyped-decorator]
    def do(number: int, **_newer: object) -> None:
        """Do the work hinted at, then whatever else is due for this queue."""
        work_once(parts, owner, number=int(number), kinds=QUEUES[queue])
        drain(parts, owner, QUEUES[queue], stop)


def hint(app: Celery, queue: str, number: int) -> None:
    """Tell a worker that something is due. A broker that is away is no trouble: workers' hints come again."""
    app.send_task(
        TASK,
        args=[number],
        queue=queue,
        retry=False,
        ignore_result=True,
        timeout=ANSWER_SECONDS,
        confirm_timeout=ANSWER_SECONDS,
    )


@setup_logging.connect  # type: ignore[untyped-decorator]
def _as_it_is(**_told: object) -> None:
    """Whoever hears this signal sets logging up. It is: Celery would leave out what is of no warning."""


def run(broker: str, parts: Parts, queue: str, stop: threading.Event) -> None:
    """Serve one queue until SIGTERM, which also sets `stop`; what is in hand then is finished first.

    `stop` may be set before Celery hears signals itself: it then ends as soon as it does.
    """

    def stopping(**_told: object) -> None:
        stop.set()

    def late(**_told: object) -> None:
        if stop.is_set():
            state.should_stop = 0

    worker_shutting_down.connect(stopping)
    worker_ready.connect(late)
    app = create_app(broker)
    register(app, parts, queue, stop)
    app.Worker(
        queues=[queue],
        pool="solo",
        concurrency=1,
        without_gossip=True,
        without_heartbeat=True,  # of events, which nobody reads
        without_mingle=True,
        quiet=True,  # it prints no banner
    ).start()
