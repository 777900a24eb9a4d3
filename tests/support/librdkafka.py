# SPDX-License-Identifier: Apache-2.0
"""What python3-confluent-kafka 1.7 cannot do, straight from librdkafka: commit metadata,
DeleteRecords and DeleteGroups."""

import ctypes
from collections import namedtuple
from ctypes import POINTER, Structure, c_char_p, c_int, c_int32, c_int64, c_size_t, c_void_p

Committed = namedtuple("Committed", "offset metadata")

PRODUCER, CONSUMER = 0, 1
TIMEOUT_MS = 30_000


class _TopicPartition(Structure):
    _fields_ = [("topic", c_char_p), ("partition", c_int32), ("offset", c_int64),
                ("metadata", c_void_p), ("metadata_size", c_size_t), ("opaque", c_void_p),
                ("err", c_int), ("private", c_void_p)]


class _TopicPartitionList(Structure):
    _fields_ = [("cnt", c_int), ("size", c_int), ("elems", POINTER(_TopicPartition))]


_List = POINTER(_TopicPartitionList)
_lib = ctypes.CDLL("librdkafka.so.1")
_libc = ctypes.CDLL(None)


def _declare(library, name, result, *arguments):
    function = getattr(library, name)
    function.restype, function.argtypes = result, arguments
    return function


_err2str = _declare(_lib, "rd_kafka_err2str", c_char_p, c_int)
_conf_new = _declare(_lib, "rd_kafka_conf_new", c_void_p)
_conf_set = _declare(_lib, "rd_kafka_conf_set", c_int, c_void_p, c_char_p, c_char_p, c_char_p, c_size_t)
_new = _declare(_lib, "rd_kafka_new", c_void_p, c_int, c_void_p, c_char_p, c_size_t)
_destroy = _declare(_lib, "rd_kafka_destroy", None, c_void_p)
_list_new = _declare(_lib, "rd_kafka_topic_partition_list_new", _List, c_int)
_list_add = _declare(_lib, "rd_kafka_topic_partition_list_add", POINTER(_TopicPartition), _List, c_char_p,
                     c_int32)
_list_destroy = _declare(_lib, "rd_kafka_topic_partition_list_destroy", None, _List)
_committed = _declare(_lib, "rd_kafka_committed", c_int, c_void_p, _List, c_int)
_commit = _declare(_lib, "rd_kafka_commit", c_int, c_void_p, _List, c_int)
_deletion_new = _declare(_lib, "rd_kafka_DeleteRecords_new", c_void_p, _List)
_deletion_destroy = _declare(_lib, "rd_kafka_DeleteRecords_destroy", None, c_void_p)
_delete_records = _declare(_lib, "rd_kafka_DeleteRecords", None, c_void_p, POINTER(c_void_p), c_size_t,
                           c_void_p, c_void_p)
_queue_new = _declare(_lib, "rd_kafka_queue_new", c_void_p, c_void_p)
_queue_poll = _declare(_lib, "rd_kafka_queue_poll", c_void_p, c_void_p, c_int)
_queue_destroy = _declare(_lib, "rd_kafka_queue_destroy", None, c_void_p)
_event_error = _declare(_lib, "rd_kafka_event_error", c_int, c_void_p)
_event_result = _declare(_lib, "rd_kafka_event_DeleteRecords_result", c_void_p, c_void_p)
_event_destroy = _declare(_lib, "rd_kafka_event_destroy", None, c_void_p)
_result_offsets = _declare(_lib, "rd_kafka_DeleteRecords_result_offsets", _List, c_void_p)
_group_new = _declare(_lib, "rd_kafka_DeleteGroup_new", c_void_p, c_char_p)
_group_destroy = _declare(_lib, "rd_kafka_DeleteGroup_destroy", None, c_void_p)
_delete_groups = _declare(_lib, "rd_kafka_DeleteGroups", None, c_void_p, POINTER(c_void_p), c_size_t, c_void_p,
                          c_void_p)
_groups_result = _declare(_lib, "rd_kafka_event_DeleteGroups_result", c_void_p, c_void_p)
_result_groups = _declare(_lib, "rd_kafka_DeleteGroups_result_groups", POINTER(c_void_p), c_void_p,
                          POINTER(c_size_t))
_group_error = _declare(_lib, "rd_kafka_group_result_error", c_void_p, c_void_p)
_error_code = _declare(_lib, "rd_kafka_error_code", c_int, c_void_p)
_malloc = _declare(_libc, "malloc", c_void_p, c_size_t)


def _check(code, what):
    if code != 0:
        raise RuntimeError(f"{what} failed: {_err2str(code).decode()}")


class _Client:
    def __init__(self, kind, settings):
        error = ctypes.create_string_buffer(512)
        conf = _conf_new()
        for key, value in settings.items():
            value = str(value).lower() if isinstance(value, bool) else str(value)
            if _conf_set(conf, key.encode(), value.encode(), error, len(error)) != 0:
                raise RuntimeError(error.value.decode())
        self.handle = _new(kind, conf, error, len(error))
        if not self.handle:
            raise RuntimeError(error.value.decode())

    def __enter__(self):
        return self.handle

    def __exit__(self, *_):
        _destroy(self.handle)


class _Partitions:
    """A topic partition list that is freed at the end."""

    def __init__(self, topic, offsets):
        self.list = _list_new(len(offsets))
        for partition, offset in offsets.items():
            offset, metadata = offset if isinstance(offset, tuple) else (offset, "")
            element = _list_add(self.list, topic.encode(), partition).contents
            element.offset = offset
            data = metadata.encode() if isinstance(metadata, str) else metadata
            if data:  # librdkafka frees it
                element.metadata = _malloc(len(data))
                ctypes.memmove(element.metadata, data, len(data))
                element.metadata_size = len(data)

    def __enter__(self):
        return self.list

    def __exit__(self, *_):
        _list_destroy(self.list)


def _elements(partitions):
    return [partitions.contents.elems[i] for i in range(partitions.contents.cnt)]


def committed(settings, group, topic, partitions):
    settings = {**settings, "group.id": group}
    unknown = dict.fromkeys(partitions, -1001)
    with _Client(CONSUMER, settings) as client, _Partitions(topic, unknown) as wanted:
        _check(_committed(client, wanted, TIMEOUT_MS), f"reading the offsets of group {group}")
        found = {}
        for element in _elements(wanted):
            _check(element.err, f"reading the offsets of group {group}")
            if element.offset >= 0:
                metadata = b""
                if element.metadata:
                    metadata = ctypes.string_at(element.metadata, element.metadata_size)
                found[element.partition] = Committed(element.offset, metadata.decode(errors="replace"))
        return found


def commit(settings, group, topic, offsets):
    settings = {**settings, "group.id": group}
    with _Client(CONSUMER, settings) as client, _Partitions(topic, offsets) as wanted:
        _check(_commit(client, wanted, 0), f"committing offsets of group {group}")


def delete_records(settings, topic, before):
    with _Client(PRODUCER, settings) as client, _Partitions(topic, before) as wanted:
        deletion = _deletion_new(wanted)
        queue = _queue_new(client)
        event = None
        try:
            _delete_records(client, (c_void_p * 1)(deletion), 1, None, queue)
            event = _queue_poll(queue, TIMEOUT_MS)
            if not event:
                raise RuntimeError(f"deleting records of {topic} timed out")
            _check(_event_error(event), f"deleting records of {topic}")
            for element in _elements(_result_offsets(_event_result(event))):
                _check(element.err, f"deleting records of {topic}-{element.partition}")
        finally:
            if event:
                _event_destroy(event)
            _queue_destroy(queue)
            _deletion_destroy(deletion)


def delete_group(settings, group):
    with _Client(PRODUCER, settings) as client:
        deletion = _group_new(group.encode())
        queue = _queue_new(client)
        event = None
        try:
            _delete_groups(client, (c_void_p * 1)(deletion), 1, None, queue)
            event = _queue_poll(queue, TIMEOUT_MS)
            if not event:
                raise RuntimeError(f"deleting group {group} timed out")
            _check(_event_error(event), f"deleting group {group}")
            count = c_size_t()
            error = _group_error(_result_groups(_groups_result(event), ctypes.byref(count))[0])
            _check(_error_code(error) if error else 0, f"deleting group {group}")
        finally:
            if event:
                _event_destroy(event)
            _queue_destroy(queue)
            _group_destroy(deletion)
