"""What a service needs of whatever keeps its index equal to the database."""

from typing import Protocol

from retrieval.manifest import Manifest


class Following(Protocol):
    """``Follower`` of the embedded index, ``FedFollower`` of one in Milvus."""

    @property
    def position(self) -> int: ...

    @property
    def base(self) -> Manifest | None: ...

    @property
    def loaded(self) -> bool: ...

    @property
    def preparing(self) -> str: ...

    @property
    def running(self) -> bool: ...

    def lag(self) -> int: ...

    def seconds_since_level(self) -> float: ...

    def catch_up(self) -> int: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...
