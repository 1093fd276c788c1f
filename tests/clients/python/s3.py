"""Files of a Plinth in production through the S3 protocol: boto3, and rclone (see synchronising.py).

    python s3.py PLINTH_BINARY

Serves a copy of ../media. Where the rows and the bytes are kept is the environment's to say, as for every Plinth. One
line for each fact; ends with 0 when all hold, else with 1.
"""

import hashlib
import io
import json
import os
import sys
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import httpx
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

import synchronising
from stage import REQUEST_SECONDS, Facts, Plinth, equal, eventually, new_person

APP = Path(__file__).parent.parent / "media"
MIB = 1024 * 1024
# S3's rule: every part but the last is at least so large.
PART = 5 * MIB


def main(binary):
    fact = Facts()
    with Plinth(binary, APP) as plinth:
        key = new_key(plinth)
        s3 = client(plinth, key["access_key_id"], key["secret_access_key"])
        buckets(fact, s3)
        objects(fact, plinth, s3)
        ranges_and_conditions(fact, s3)
        lists(fact, s3)
        copies(fact, s3)
        parts(fact, plinth, s3)
        presigned(fact, plinth, s3)
        broken_bytes(fact, plinth, s3, key)
        keys(fact, plinth, key)
        session_tokens(fact, plinth)
        synchronising.rclone(fact, plinth, key)
        ending(fact, plinth)
        if fact.failed:
            print(f"the server said:\n{plinth.log()}", file=sys.stderr)
    print(f"{fact.failed} facts do not hold" if fact.failed else f"all {fact.held} facts hold")
    return 1 if fact.failed else 0


def buckets(fact, s3):
    @fact("buckets are made, found, listed and deleted")
    def _():
        s3.create_bucket(Bucket="s3-made")
        s3.head_bucket(Bucket="s3-made")
        listed = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
        assert {"documents", "pictures", "shared", "s3-made"} <= set(listed), listed
        assert "LocationConstraint" in s3.get_bucket_location(Bucket="s3-made")
        refused(None, 409, lambda: s3.create_bucket(Bucket="s3-made"))
        s3.put_object(Bucket="s3-made", Key="a", Body=b"x")
        refused("BucketNotEmpty", 409, lambda: s3.delete_bucket(Bucket="s3-made"))
        s3.delete_object(Bucket="s3-made", Key="a")
        s3.delete_bucket(Bucket="s3-made")
        refused("404", 404, lambda: s3.head_bucket(Bucket="s3-made"))
        refused("NoSuchBucket", 404, lambda: s3.put_object(Bucket="s3-made", Key="a", Body=b"x"))


def objects(fact, plinth, s3):
    content = os.urandom(300_000)
    files = plinth.service().storage.from_("documents")

    @fact("what is put is got, with all that was said of it")
    def _():
        put = s3.put_object(
            Bucket="documents",
            Key="s3/plan.pdf",
            Body=content,
            ContentType="application/pdf",
            CacheControl="max-age=60",
            Metadata={"title": "Plan", "pages": "3"},
        )
        equal(put["ETag"], tag(content))
        for answer in (s3.get_object(Bucket="documents", Key="s3/plan.pdf"), s3.head_object(Bucket="documents", Key="s3/plan.pdf")):
            equal((answer["ContentLength"], answer["ETag"]), (len(content), tag(content)))
            equal((answer["ContentType"], answer["CacheControl"]), ("application/pdf", "max-age=60"))
            equal(answer["Metadata"], {"title": "Plan", "pages": "3"})
            assert abs(datetime.now(UTC) - answer["LastModified"]) < timedelta(minutes=1)
        equal(body(s3.get_object(Bucket="documents", Key="s3/plan.pdf")), content)

    @fact("both protocols see the same files")
    def _():
        equal(files.download("s3/plan.pdf"), content)
        equal(files.info("s3/plan.pdf")["size"], len(content))
        files.upload("s3/from the other side.txt", b"hello", {"content-type": "text/plain"})
        answer = s3.get_object(Bucket="documents", Key="s3/from the other side.txt")
        equal((answer["ContentType"], body(answer)), ("text/plain", b"hello"))

    @fact("a put replaces, without being asked to")
    def _():
        s3.put_object(Bucket="documents", Key="s3/often", Body=b"one")
        s3.put_object(Bucket="documents", Key="s3/often", Body=b"two")
        equal(body(s3.get_object(Bucket="documents", Key="s3/often")), b"two")

    @fact("nothing, and names with blanks and signs, are files too")
    def _():
        s3.put_object(Bucket="documents", Key="s3/nothing", Body=b"")
        equal(body(s3.get_object(Bucket="documents", Key="s3/nothing")), b"")
        name = "s3/Ann's plan (2) & more + 100 = $7, @home; 9:30!*?.txt"
        s3.put_object(Bucket="documents", Key=name, Body=b"odd")
        equal(body(s3.get_object(Bucket="documents", Key=name)), b"odd")
        equal(keys_of(s3.list_objects_v2(Bucket="documents", Prefix="s3/Ann's")), [name])
        s3.delete_object(Bucket="documents", Key=name)

    @fact("one is deleted, many are deleted, and what is not there is deleted, too")
    def _():
        for number in range(5):
            s3.put_object(Bucket="documents", Key=f"s3/many/{number}", Body=b"x")
        s3.delete_object(Bucket="documents", Key="s3/many/0")
        s3.delete_object(Bucket="documents", Key="s3/many/never there")
        wanted = [{"Key": f"s3/many/{name}"} for name in (1, 2, 3, "never there")]
        deleted = s3.delete_objects(Bucket="documents", Delete={"Objects": wanted})
        equal(sorted(one["Key"] for one in deleted["Deleted"]), sorted(one["Key"] for one in wanted))
        equal(keys_of(s3.list_objects_v2(Bucket="documents", Prefix="s3/many/")), ["s3/many/4"])
        quiet = s3.delete_objects(Bucket="documents", Delete={"Objects": [{"Key": "s3/many/4"}], "Quiet": True})
        assert "Deleted" not in quiet and "Errors" not in quiet
        refused("NoSuchKey", 404, lambda: s3.get_object(Bucket="documents", Key="s3/many/4"))
        refused("404", 404, lambda: s3.head_object(Bucket="documents", Key="s3/many/4"))


def ranges_and_conditions(fact, s3):
    content = os.urandom(100_000)
    s3.put_object(Bucket="documents", Key="s3/ranges", Body=content)

    @fact("a part of an object")
    def _():
        for wanted, (first, last) in {"bytes=0-9": (0, 9), "bytes=99990-": (99_990, 99_999), "bytes=-5": (99_995, 99_999)}.items():
            answer = s3.get_object(Bucket="documents", Key="s3/ranges", Range=wanted)
            equal(answer["ContentRange"], f"bytes {first}-{last}/100000")
            equal(body(answer), content[first : last + 1])
        refused("InvalidRange", 416, lambda: s3.get_object(Bucket="documents", Key="s3/ranges", Range="bytes=100000-"))

    @fact("only if it has changed, only if it has not")
    def _():
        def get(**conditions):
            return body(s3.get_object(Bucket="documents", Key="s3/ranges", **conditions))

        refused("304", 304, lambda: get(IfNoneMatch=tag(content)))
        equal(get(IfNoneMatch='"other"'), content)
        equal(get(IfMatch=tag(content)), content)
        refused("PreconditionFailed", 412, lambda: get(IfMatch='"other"'))
        refused("304", 304, lambda: get(IfModifiedSince=datetime.now(UTC) + timedelta(hours=-1, days=1)))
        equal(get(IfModifiedSince=datetime(2024, 1, 1, tzinfo=UTC)), content)


def lists(fact, s3):
    names = [f"s3/list/{name}" for name in ("B.txt", "a.txt", "a/1", "a/2", "a/b/3", "c.txt", "z z/+.txt")]
    for name in names:
        s3.put_object(Bucket="documents", Key=name, Body=name.encode())

    @fact("all below a prefix, in the order of bytes, page by page, in both versions")
    def _():
        for version in ("list_objects", "list_objects_v2"):
            pages = s3.get_paginator(version).paginate(
                Bucket="documents", Prefix="s3/list/", PaginationConfig={"PageSize": 2}
            )
            pages = [keys_of(page) for page in pages]
            equal([key for page in pages for key in page], sorted(names))
            assert all(len(page) <= 2 for page in pages)

    @fact("with a delimiter, folders are told once")
    def _():
        for version in (s3.list_objects, s3.list_objects_v2):
            answer = version(Bucket="documents", Prefix="s3/list/", Delimiter="/")
            equal([one["Prefix"] for one in answer["CommonPrefixes"]], ["s3/list/a/", "s3/list/z z/"])
            equal(keys_of(answer), [f"s3/list/{name}" for name in ("B.txt", "a.txt", "c.txt")])
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket="documents", Prefix="s3/list/", Delimiter="/", PaginationConfig={"PageSize": 1}
        )
        found = [one for page in pages for one in keys_of(page) + [p["Prefix"] for p in page.get("CommonPrefixes", [])]]
        equal(found, [f"s3/list/{name}" for name in ("B.txt", "a.txt", "a/", "c.txt", "z z/")])

    @fact("from a name on; with sizes and tags; and nothing where nothing is")
    def _():
        answer = s3.list_objects_v2(Bucket="documents", Prefix="s3/list/", StartAfter="s3/list/a/b/3")
        equal(keys_of(answer), ["s3/list/c.txt", "s3/list/z z/+.txt"])
        one = answer["Contents"][0]
        equal((one["Size"], one["ETag"]), (len("s3/list/c.txt"), tag(b"s3/list/c.txt")))
        equal(keys_of(s3.list_objects_v2(Bucket="documents", Prefix="nowhere/")), [])
        refused("NoSuchBucket", 404, lambda: s3.list_objects_v2(Bucket="nowhere"))


def copies(fact, s3):
    content = os.urandom(50_000)

    @fact("a copy has the same bytes, and what is said of them unless it is said anew")
    def _():
        s3.put_object(Bucket="documents", Key="s3/copy/from it", Body=content, ContentType="image/png", Metadata={"a": "1"})
        source = {"Bucket": "documents", "Key": "s3/copy/from it"}
        s3.copy_object(Bucket="shared", Key="s3/copied", CopySource=source)
        answer = s3.get_object(Bucket="shared", Key="s3/copied")
        equal((body(answer), answer["ContentType"], answer["Metadata"]), (content, "image/png", {"a": "1"}))
        more = {"MetadataDirective": "REPLACE", "Metadata": {"b": "2"}, "ContentType": "image/gif"}
        s3.copy_object(Bucket="shared", Key="s3/copied", CopySource=source, **more)
        answer = s3.head_object(Bucket="shared", Key="s3/copied")
        equal((answer["ContentType"], answer["Metadata"]), ("image/gif", {"b": "2"}))
        missing = source | {"Key": "s3/copy/not it"}
        refused("NoSuchKey", 404, lambda: s3.copy_object(Bucket="shared", Key="s3/x", CopySource=missing))
        s3.delete_object(**source)
        equal(body(s3.get_object(Bucket="shared", Key="s3/copied")), content)


def parts(fact, plinth, s3):
    place = {"Bucket": "documents", "Key": "s3/parts.bin"}
    first, second, third = (os.urandom(size) for size in (PART, PART + 1, 1000))

    @fact("an object of parts: in any order, one sent twice, and it is there when it is whole")
    def _():
        upload = place | {"UploadId": s3.create_multipart_upload(**place, ContentType="image/png")["UploadId"]}
        s3.upload_part(**upload, PartNumber=3, Body=third)
        s3.upload_part(**upload, PartNumber=1, Body=second)
        sent = {
            3: s3.list_parts(**upload)["Parts"][1]["ETag"],
            2: s3.upload_part(**upload, PartNumber=2, Body=second)["ETag"],
            1: s3.upload_part(**upload, PartNumber=1, Body=first)["ETag"],
        }
        listed = s3.list_parts(**upload)["Parts"]
        equal([(one["PartNumber"], one["Size"]) for one in listed], [(1, PART), (2, PART + 1), (3, 1000)])
        under_way = s3.list_multipart_uploads(Bucket="documents")["Uploads"]
        assert (place["Key"], upload["UploadId"]) in [(one["Key"], one["UploadId"]) for one in under_way]
        refused("404", 404, lambda: s3.head_object(**place))
        done = s3.complete_multipart_upload(**upload, MultipartUpload=listing(sent))
        digests = b"".join(hashlib.md5(part).digest() for part in (first, second, third))
        equal(done["ETag"], f'"{hashlib.md5(digests).hexdigest()}-3"')
        answer = s3.get_object(**place)
        equal((answer["ETag"], answer["ContentType"]), (done["ETag"], "image/png"))
        equal(body(answer), first + second + third)
        refused("NoSuchUpload", 404, lambda: s3.list_parts(**upload))

    @fact("what does not fit together is refused, and goes on")
    def _():
        upload = place | {"UploadId": s3.create_multipart_upload(**place)["UploadId"]}
        send = lambda number, part: s3.upload_part(**upload, PartNumber=number, Body=part)["ETag"]
        complete = lambda parts: s3.complete_multipart_upload(**upload, MultipartUpload=parts)
        sent = {1: send(1, first), 2: send(2, third)}
        refused("InvalidPart", 400, lambda: complete(listing(sent | {2: tag(b"other")})))
        refused("InvalidPart", 400, lambda: complete(listing({1: sent[1], 3: tag(b"never sent")})))
        refused("InvalidPartOrder", 400, lambda: complete({"Parts": listing(sent)["Parts"][::-1]}))
        sent[1] = send(1, third)
        refused("EntityTooSmall", 400, lambda: complete(listing(sent)))
        sent[1] = send(1, first)
        complete(listing(sent))
        equal(body(s3.get_object(**place)), first + third)

    @fact("an upload that is given up leaves nothing")
    def _():
        upload = place | {"UploadId": s3.create_multipart_upload(**place)["UploadId"]}
        s3.upload_part(**upload, PartNumber=1, Body=first)
        s3.abort_multipart_upload(**upload)
        refused("NoSuchUpload", 404, lambda: s3.upload_part(**upload, PartNumber=2, Body=first))
        assert not s3.list_multipart_uploads(Bucket="documents").get("Uploads")

    @fact("a part may be a part of an object that is there")
    def _():
        s3.put_object(Bucket="documents", Key="s3/source.bin", Body=first + second)
        upload = place | {"UploadId": s3.create_multipart_upload(**place)["UploadId"]}
        source = {"Bucket": "documents", "Key": "s3/source.bin"}
        wanted = {1: f"bytes=0-{PART - 1}", 2: f"bytes=100-{PART + 99}"}
        sent = {}
        for number, some in wanted.items():
            answer = s3.upload_part_copy(**upload, PartNumber=number, CopySource=source, CopySourceRange=some)
            sent[number] = answer["CopyPartResult"]["ETag"]
        s3.complete_multipart_upload(**upload, MultipartUpload=listing(sent))
        equal(body(s3.get_object(**place)), first + (first + second)[100 : PART + 100])

    @fact("boto3's own transfers, several parts at once, there and back")
    def _():
        content = os.urandom(3 * PART + 77)
        transfer = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=4)
        s3.upload_fileobj(io.BytesIO(content), **place, Config=transfer)
        back = io.BytesIO()
        s3.download_fileobj(**place, Fileobj=back, Config=transfer)
        equal(hashlib.sha256(back.getvalue()).hexdigest(), hashlib.sha256(content).hexdigest())


def presigned(fact, plinth, s3):
    place = {"Bucket": "documents", "Key": "s3/presigned file.txt"}

    @fact("a presigned address writes and reads without a key, and only what it is for")
    def _():
        put = s3.generate_presigned_url("put_object", place | {"ContentType": "text/plain"}, 60)
        equal(httpx.put(put, content=b"hello", headers={"content-type": "text/plain"}, timeout=REQUEST_SECONDS).status_code, 200)
        get = s3.generate_presigned_url("get_object", place, 60)
        answer = httpx.get(get, timeout=REQUEST_SECONDS)
        equal((answer.status_code, answer.content, answer.headers["content-type"]), (200, b"hello", "text/plain"))
        equal(httpx.put(get, content=b"x", timeout=REQUEST_SECONDS).status_code, 403)
        equal(httpx.delete(put, timeout=REQUEST_SECONDS).status_code, 403)
        elsewhere = get.replace("presigned", "predesigned")
        equal(httpx.get(elsewhere, timeout=REQUEST_SECONDS).status_code, 403)
        longer = get.replace("X-Amz-Expires=60", "X-Amz-Expires=6000")
        equal(httpx.get(longer, timeout=REQUEST_SECONDS).status_code, 403)

    @fact("it can say how the answer is to look")
    def _():
        more = {"ResponseContentDisposition": 'attachment; filename="a.txt"', "ResponseContentType": "text/csv"}
        answer = httpx.get(s3.generate_presigned_url("get_object", place | more, 60), timeout=REQUEST_SECONDS)
        equal(answer.headers["content-disposition"], 'attachment; filename="a.txt"')
        equal(answer.headers["content-type"], "text/csv")

    @fact("it ends when it said it would")
    def _():
        url = s3.generate_presigned_url("get_object", place, 1)
        answer = eventually(lambda: httpx.get(url, timeout=REQUEST_SECONDS), lambda answer: answer.status_code != 200)
        equal(answer.status_code, 403)
        assert "expired" in answer.text.lower(), answer.text


def broken_bytes(fact, plinth, s3, key):
    place = {"Bucket": "documents", "Key": "s3/broken"}
    wrong = b64encode(hashlib.md5(b"other").digest()).decode()

    @fact("bytes that do not fit their checksum are refused, and leave nothing")
    def _():
        refused("BadDigest", 400, lambda: s3.put_object(**place, Body=b"bytes", ContentMD5=wrong))
        sha = b64encode(hashlib.sha256(b"other").digest()).decode()
        assert refused(None, 400, lambda: s3.put_object(**place, Body=b"bytes", ChecksumSHA256=sha))
        refused("404", 404, lambda: s3.head_object(**place))

    @fact("the checksums of this and of older clients are understood")
    def _():
        for mode in ("when_supported", "when_required"):
            config = {"request_checksum_calculation": mode, "response_checksum_validation": mode}
            other = client(plinth, key["access_key_id"], key["secret_access_key"], **config)
            other.put_object(**place, Body=b"bytes")
            equal(body(other.get_object(**place)), b"bytes")
        for algorithm in ("CRC32", "SHA1", "SHA256"):
            s3.put_object(**place, Body=algorithm.encode(), ChecksumAlgorithm=algorithm)
            equal(body(s3.get_object(**place)), algorithm.encode())


def keys(fact, plinth, key):
    place = {"Bucket": "documents", "Key": "s3/keys"}

    @fact("a wrong secret, a wrong key and none are refused")
    def _():
        wrong = client(plinth, key["access_key_id"], "x" * len(key["secret_access_key"]))
        refused("SignatureDoesNotMatch", 403, lambda: wrong.put_object(**place, Body=b"x"))
        unknown = client(plinth, "AKIAUNKNOWN0000000000", key["secret_access_key"])
        refused("InvalidAccessKeyId", 403, lambda: unknown.put_object(**place, Body=b"x"))
        for method in ("GET", "PUT", "DELETE"):
            answer = httpx.request(method, f"{plinth.url}/storage/v1/s3/documents/s3/keys", timeout=REQUEST_SECONDS)
            equal(answer.status_code, 403)

    @fact("a key for one bucket opens no other")
    def _():
        narrow = new_key(plinth, "--bucket", "shared")
        s3 = client(plinth, narrow["access_key_id"], narrow["secret_access_key"])
        s3.put_object(Bucket="shared", Key="s3/narrow", Body=b"x")
        refused("AccessDenied", 403, lambda: s3.put_object(**place, Body=b"x"))
        refused("AccessDenied", 403, lambda: s3.list_objects_v2(Bucket="documents"))
        source = {"Bucket": "documents", "Key": "s3/plan.pdf"}
        refused("AccessDenied", 403, lambda: s3.copy_object(Bucket="shared", Key="s3/x", CopySource=source))
        equal([bucket["Name"] for bucket in s3.list_buckets()["Buckets"]], ["shared"])

    @fact("a key that was revoked opens nothing")
    def _():
        brief = new_key(plinth)
        s3 = client(plinth, brief["access_key_id"], brief["secret_access_key"])
        s3.put_object(**place, Body=b"x")
        plinth.run("s3-keys", "revoke", plinth.folder, brief["access_key_id"])
        # Every node notices within seconds.
        eventually(lambda: is_refused(lambda: s3.put_object(**place, Body=b"x")), bool)
        refused("InvalidAccessKeyId", 403, lambda: s3.put_object(**place, Body=b"x"))


def session_tokens(fact, plinth):
    ann, ben = new_person(plinth, "ann"), new_person(plinth, "ben")
    secret = {"Bucket": "documents", "Key": f"{ben.id}/secret.txt"}
    ben.client.storage.from_("documents").upload(secret["Key"], b"nobody else reads this")
    token = ann.client.auth.get_session().access_token
    # As Supabase has it: the project's name, the key that anybody may have, and whose session it is.
    s3 = client(plinth, "plinth", plinth.anon_key, token)
    mine = {"Bucket": "documents", "Key": f"{ann.id}/mine.txt"}

    @fact("with a session's token one is who one is: one's own folder")
    def _():
        s3.put_object(**mine, Body=b"mine")
        equal(body(s3.get_object(**mine)), b"mine")
        equal(keys_of(s3.list_objects_v2(Bucket="documents")), [mine["Key"]])
        equal(ann.client.storage.from_("documents").download(mine["Key"]), b"mine")
        upload = mine | {"UploadId": s3.create_multipart_upload(**mine)["UploadId"]}
        sent = {1: s3.upload_part(**upload, PartNumber=1, Body=b"in parts")["ETag"]}
        s3.complete_multipart_upload(**upload, MultipartUpload=listing(sent))
        equal(body(s3.get_object(**mine)), b"in parts")

    @fact("and no other: nothing is read, written, copied or deleted there")
    def _():
        refused("NoSuchKey", 404, lambda: s3.get_object(**secret))
        refused("404", 404, lambda: s3.head_object(**secret))
        refused("AccessDenied", 403, lambda: s3.put_object(Bucket="documents", Key=f"{ben.id}/gift.txt", Body=b"x"))
        refused("AccessDenied", 403, lambda: s3.put_object(**secret, Body=b"x"))
        refused("NoSuchKey", 404, lambda: s3.copy_object(**mine, CopySource=secret))
        refused("AccessDenied", 403, lambda: s3.create_multipart_upload(Bucket="documents", Key=f"{ben.id}/parts"))
        s3.delete_object(**secret)
        s3.delete_objects(Bucket="documents", Delete={"Objects": [{"Key": secret["Key"]}]})
        equal(ben.client.storage.from_("documents").download(secret["Key"]), b"nobody else reads this")

    @fact("nobody goes on with somebody else's parts")
    def _():
        upload = mine | {"UploadId": s3.create_multipart_upload(**mine)["UploadId"]}
        bens = client(plinth, "plinth", plinth.anon_key, ben.client.auth.get_session().access_token)
        for call in (
            lambda: bens.upload_part(**upload, PartNumber=1, Body=b"x"),
            lambda: bens.list_parts(**upload),
            lambda: bens.abort_multipart_upload(**upload),
        ):
            assert refused(None, None, call).response["ResponseMetadata"]["HTTPStatusCode"] in (403, 404)
        s3.abort_multipart_upload(**upload)

    @fact("a token that was altered is refused")
    def _():
        forged = client(plinth, "plinth", plinth.anon_key, token[:-4] + "AAAA")
        assert refused(None, None, lambda: forged.get_object(**mine)).response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403)


def ending(fact, plinth):
    @fact("SIGTERM ends it with 0")
    def _():
        equal(plinth.stop(), 0)

    @fact("every row has its bytes, and nothing is there without a row")
    def _():
        plinth.run("storage", "check", plinth.folder)


def new_key(plinth, *more):
    """An access key as the command makes it: its two halves."""
    return json.loads(plinth.run("s3-keys", "create", plinth.folder, "--name", "proofs", *more, "--json"))


def client(plinth, key, secret, token=None, **config):
    return boto3.client(
        "s3",
        endpoint_url=f"{plinth.url}/storage/v1/s3",
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            retries={"total_max_attempts": 1},
            connect_timeout=REQUEST_SECONDS,
            read_timeout=REQUEST_SECONDS,
            **config,
        ),
    )


def refused(code, status, call):
    """The error of a call that must be refused so; None stands for any code or status."""
    try:
        answer = call()
    except ClientError as error:
        found = (error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"])
        equal((code or found[0], status or found[1]), found)
        return error
    raise AssertionError(f"not refused with {code}, but answered {answer!r}")


def is_refused(call):
    try:
        call()
    except ClientError:
        return True
    return False


def tag(content):
    return f'"{hashlib.md5(content).hexdigest()}"'


def body(answer):
    return answer["Body"].read()


def keys_of(answer):
    return [one["Key"] for one in answer.get("Contents", [])]


def listing(parts):
    """What `CompleteMultipartUpload` wants to know: tags by number."""
    return {"Parts": [{"PartNumber": number, "ETag": etag} for number, etag in sorted(parts.items())]}


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python s3.py PLINTH_BINARY")
    sys.exit(main(sys.argv[1]))
