"""Files of a Plinth in production, through supabase-py, and pictures looked at with Pillow.

    python media.py PLINTH_BINARY

Serves a copy of ../media, whose migration says which bucket is for whom. Where the rows and the bytes are kept is the
environment's to say, as for every Plinth. One line for each fact; ends with 0 when all hold, else with 1.
"""

import asyncio
import hashlib
import io
import os
import sys
import tempfile
from pathlib import Path

import httpx
from PIL import Image, ImageOps
from storage3.exceptions import StorageApiError

from stage import REQUEST_SECONDS, Facts, Plinth, equal, eventually, new_person

APP = Path(__file__).parent.parent / "media"
NO_PERMISSION = "new row violates row-level security policy"


def main(binary):
    fact = Facts()
    with Plinth(binary, APP) as plinth:
        ann, ben = new_person(plinth, "ann"), new_person(plinth, "ben")
        buckets(fact, plinth)
        objects(fact, ann)
        listing(fact, ann)
        signed(fact, plinth, ann)
        policies(fact, plinth, ann, ben)
        pictures(fact, plinth, ann)
        asyncio.run(asynchronously(fact, plinth, ann))
        ending(fact, plinth)
        if fact.failed:
            print(f"the server said:\n{plinth.log()}", file=sys.stderr)
    print(f"{fact.failed} facts do not hold" if fact.failed else f"all {fact.held} facts hold")
    return 1 if fact.failed else 0


def buckets(fact, plinth):
    storage = plinth.service().storage

    @fact("a bucket is made, read, changed, listed, emptied and deleted")
    def _():
        options = {"public": False, "file_size_limit": 1000, "allowed_mime_types": ["text/*"]}
        equal(storage.create_bucket("notes", options=options), {"name": "notes"})
        bucket = storage.get_bucket("notes")
        equal((bucket.id, bucket.name, bucket.public), ("notes", "notes", False))
        equal((bucket.file_size_limit, bucket.allowed_mime_types), (1000, ["text/*"]))
        text = {"content-type": "text/plain"}
        storage.from_("notes").upload("a.txt", b"x" * 1000, text)
        denied(413, lambda: storage.from_("notes").upload("b.txt", b"x" * 1001, text))
        denied(415, lambda: storage.from_("notes").upload("c.png", b"x", {"content-type": "image/png"}))
        equal(storage.update_bucket("notes", {"public": True}), {"message": "Successfully updated"})
        equal(storage.get_bucket("notes").public, True)
        assert "notes" in [bucket.id for bucket in storage.list_buckets()]
        denied(409, lambda: storage.delete_bucket("notes"))
        storage.empty_bucket("notes")
        eventually(lambda: storage.from_("notes").list(), lambda files: files == [])
        equal(storage.delete_bucket("notes"), {"message": "Successfully deleted"})
        error = denied(404, lambda: storage.get_bucket("notes"))
        equal(error.message, "Bucket not found")


def objects(fact, ann):
    documents = ann.client.storage.from_("documents")
    content = os.urandom(200_000)

    def own(name):
        return f"{ann.id}/{name}"

    @fact("bytes, an open file and a file by its name are stored as they are")
    def _():
        with tempfile.NamedTemporaryFile(suffix=".bin") as file:
            file.write(content)
            file.flush()
            stored = documents.upload(own("bytes.bin"), content)
            equal((stored.path, stored.full_path), (own("bytes.bin"), f"documents/{own('bytes.bin')}"))
            documents.upload(own("named.bin"), file.name)
            documents.upload(own("path.bin"), Path(file.name))
            with open(file.name, "rb") as opened:
                documents.upload(own("opened.bin"), opened)
        for name in ("bytes.bin", "named.bin", "path.bin", "opened.bin"):
            equal(documents.download(own(name)), content)

    @fact("what is known of a file")
    def _():
        options = {"content-type": "application/pdf", "cache-control": "60", "metadata": {"title": "Plan", "pages": 3}}
        documents.upload(own("plan.pdf"), content, options)
        info = documents.info(own("plan.pdf"))
        equal((info["name"], info["bucket_id"], info["size"]), (own("plan.pdf"), "documents", len(content)))
        equal((info["content_type"], info["cache_control"]), ("application/pdf", "max-age=60"))
        equal(info["metadata"], {"title": "Plan", "pages": 3})
        equal(info["etag"], f'"{hashlib.md5(content).hexdigest()}"')
        equal((documents.exists(own("plan.pdf")), documents.exists(own("no plan.pdf"))), (True, False))
        error = denied(404, lambda: documents.info(own("no plan.pdf")))
        equal((error.code, error.message), ("not_found", "Object not found"))

    @fact("a name is taken until it is meant to be replaced")
    def _():
        documents.upload(own("note.txt"), b"one")
        error = denied(409, lambda: documents.upload(own("note.txt"), b"two"))
        equal((error.code, error.message), ("Duplicate", "The resource already exists"))
        documents.upload(own("note.txt"), b"two", {"upsert": "true"})
        equal(documents.download(own("note.txt")), b"two")
        documents.update(own("note.txt"), b"three", {"content-type": "text/plain"})
        equal(documents.download(own("note.txt")), b"three")

    @fact("it is moved, copied and removed")
    def _():
        equal(documents.move(own("note.txt"), own("moved.txt")), {"message": "Successfully moved"})
        denied(404, lambda: documents.download(own("note.txt")))
        equal(documents.copy(own("moved.txt"), own("copy.txt"))["Key"], f"documents/{own('copy.txt')}")
        removed = documents.remove([own("moved.txt"), own("never there.txt")])
        equal([file["name"] for file in removed], [own("moved.txt")])
        equal(documents.download(own("copy.txt")), b"three")
        bounds = "body/prefixes must have 1 to 1000 items"
        for wrong in ([], [own("copy.txt")] * 1001):
            equal(denied(400, lambda: documents.remove(wrong)).message, bounds)
        equal(documents.download(own("copy.txt")), b"three")

    @fact("names with blanks and signs go there and back")
    def _():
        name = own("odd/Ann's plan (2) & more + 100 = $7, @home; 9:30!*.txt")
        documents.upload(name, b"odd")
        equal(documents.info(name)["name"], name)
        equal(documents.download(name), b"odd")
        documents.remove([name])
        error = denied(400, lambda: documents.upload(own("über.txt"), b"x"))
        equal(error.message, f"Invalid key: {own('über.txt')}")


def listing(fact, ann):
    documents = ann.client.storage.from_("documents")
    root = f"{ann.id}/list"
    for name in ("b.txt", "C.txt", "album/one.txt", "album/two.txt"):
        documents.upload(f"{root}/{name}", name.encode())

    @fact("a folder shows its files and folders; parts of it, sorted, searched")
    def _():
        equal(names(documents.list(root)), ["album", "b.txt", "C.txt"])
        equal(names(documents.list(root, {"limit": 1, "offset": 1})), ["b.txt"])
        equal(names(documents.list(root, {"sortBy": {"column": "name", "order": "desc"}})), ["C.txt", "b.txt", "album"])
        equal(names(documents.list(f"{root}/album", {"search": "TW"})), ["two.txt"])

    @fact("version 2 goes from page to page")
    def _():
        found, cursor = [], None
        while True:
            options = {"prefix": f"{root}/", "limit": 3} | ({"cursor": cursor} if cursor else {})
            page = documents.list_v2(options)
            found += [file.name.removeprefix(f"{root}/") for file in page.objects]
            cursor = page.nextCursor
            if not page.hasNext:
                break
        equal(found, ["C.txt", "album/one.txt", "album/two.txt", "b.txt"])
        page = documents.list_v2({"prefix": f"{root}/", "with_delimiter": True})
        equal([folder.name for folder in page.folders], [f"{root}/album/"])


def signed(fact, plinth, ann):
    documents = ann.client.storage.from_("documents")
    stranger = plinth.anonymous().storage.from_("documents")
    plan, sent = f"{ann.id}/signed.txt", f"{ann.id}/sent.txt"
    documents.upload(plan, b"signed")

    @fact("a signed address is read without an account, also one of several")
    def _():
        url = documents.create_signed_url(plan, 60)["signedUrl"]
        equal(get(url).content, b"signed")
        saved = documents.create_signed_url(plan, 60, {"download": "my plan.txt"})["signedUrl"]
        assert get(saved).headers["content-disposition"].startswith("attachment;")
        one, missing = documents.create_signed_urls([plan, f"{ann.id}/missing"], 60)
        equal((get(one["signedUrl"]).content, one["error"]), (b"signed", None))
        equal(missing["error"], "Either the object does not exist or you do not have access to it")
        equal(get(url + "x").json()["code"], "InvalidJWT")

    @fact("a signed upload puts one file in one place")
    def _():
        upload = documents.create_signed_upload_url(sent)
        denied(400, lambda: stranger.upload_to_signed_url(f"{ann.id}/else.txt", upload["token"], b"x"))
        stranger.upload_to_signed_url(sent, upload["token"], b"sent", {"content-type": "text/plain"})
        equal(documents.download(sent), b"sent")
        denied(409, lambda: stranger.upload_to_signed_url(sent, upload["token"], b"again"))


def policies(fact, plinth, ann, ben):
    mine = ann.client.storage.from_("documents")
    secret = f"{ben.id}/secret.txt"
    ben.client.storage.from_("documents").upload(secret, b"nobody else reads this")

    @fact("somebody else's folder is closed: to read, to write, to take from")
    def _():
        equal(mine.list(ben.id), [])
        equal(mine.exists(secret), False)
        denied(404, lambda: mine.download(secret))
        denied(404, lambda: mine.create_signed_url(secret, 60))
        equal(denied(403, lambda: mine.upload(f"{ben.id}/gift.txt", b"x")).message, NO_PERMISSION)
        equal(denied(403, lambda: mine.upload(secret, b"x", {"upsert": "true"})).message, NO_PERMISSION)
        denied(404, lambda: mine.move(secret, f"{ann.id}/taken.txt"))
        denied(404, lambda: mine.copy(secret, f"{ann.id}/taken.txt"))
        equal(mine.remove([secret]), [])
        equal(ben.client.storage.from_("documents").download(secret), b"nobody else reads this")

    @fact("without an account there is nothing, with the service key there is all")
    def _():
        stranger = plinth.anonymous().storage.from_("documents")
        denied(404, lambda: stranger.download(secret))
        denied(403, lambda: stranger.upload(f"{ann.id}/x.txt", b"x"))
        equal(plinth.service().storage.from_("documents").download(secret), b"nobody else reads this")


def pictures(fact, plinth, ann):
    bucket = ann.client.storage.from_("pictures")

    def content_of(name, accept="*/*", **transform):
        url = bucket.get_public_url(f"{ann.id}/{name}", {"transform": transform})
        answer = httpx.get(url, headers={"accept": accept}, timeout=REQUEST_SECONDS)
        assert answer.status_code == 200, answer.text
        return answer.content

    def shown(name, **options):
        return Image.open(io.BytesIO(content_of(name, **options)))

    @fact("a photograph taken on its side is shown upright, and does not say where it was taken")
    def _():
        photo = halves(400, 200)
        exif = Image.Exif()
        exif[0x0112] = 6  # Orientation: turned to the right to be upright.
        exif[0x010F] = "A camera"
        exif.get_ifd(0x8825)[1] = "N"
        content = encoded(photo, "JPEG", exif=exif, quality=95)
        bucket.upload(f"{ann.id}/photo.jpg", content, {"content-type": "image/jpeg"})
        upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
        small = shown("photo.jpg", width=100)
        equal((small.format, small.size), ("JPEG", (100, 200)))
        alike(small, upright.resize(small.size))
        equal(dict(small.getexif()), {})
        assert b"camera" in content and b"camera" not in content_of("photo.jpg", width=100)

    @fact("every format that is read comes out as one that every client reads, or as WebP where it is accepted")
    def _():
        source = halves(300, 200)
        for kind, made in (("JPEG", "JPEG"), ("PNG", "PNG"), ("GIF", "JPEG"), ("WEBP", "JPEG")):
            content = encoded(source, kind)
            bucket.upload(f"{ann.id}/{kind}", content, {"content-type": f"image/{kind.lower()}"})
            small = shown(kind, width=150)
            equal((small.format, small.size), (made, (150, 100)))
            alike(small, source.resize(small.size))
            webp = shown(kind, accept="image/webp", width=150)
            equal((webp.format, webp.size), ("WEBP", (150, 100)))
            alike(webp, source.resize(webp.size))

    @fact("cover shows the middle, contain shows all")
    def _():
        source = halves(400, 200)
        bucket.upload(f"{ann.id}/wide.png", encoded(source, "PNG"), {"content-type": "image/png"})
        cover = shown("wide.png", width=100, height=100)
        alike(cover, ImageOps.fit(source, (100, 100)))
        contain = shown("wide.png", width=100, height=100, resize="contain")
        alike(contain, source.resize((100, 50)))

    @fact("what is transparent stays so")
    def _():
        glass = Image.new("RGBA", (80, 80), (0, 0, 255, 0))
        glass.paste((255, 0, 0, 255), (0, 0, 40, 80))
        bucket.upload(f"{ann.id}/glass.png", encoded(glass, "PNG"), {"content-type": "image/png"})
        for accept, kind in (("*/*", "PNG"), ("image/webp", "WEBP")):
            small = shown("glass.png", accept=accept, width=40)
            equal((small.format, small.mode), (kind, "RGBA"))
            equal((small.getpixel((5, 20))[3], small.getpixel((35, 20))[3]), (255, 0))

    @fact("AVIF is not part of this server, and refused by its name")
    def _():
        url = bucket.get_public_url(f"{ann.id}/wide.png", {"transform": {"width": 40, "format": "avif"}})
        answer = get(url)
        message = "format avif is not part of this server"
        refusal = {"statusCode": "400", "error": "InvalidRequest", "message": message, "code": "InvalidRequest"}
        equal((answer.status_code, answer.json()), (400, refusal))


async def asynchronously(fact, plinth, ann):
    client = await plinth.anonymous_async()
    session = await client.auth.sign_in_with_password({"email": ann.email, "password": ann.password})
    documents = client.storage.from_("documents")

    async def many():
        names = [f"{session.user.id}/many/{number}.txt" for number in range(20)]
        await asyncio.gather(*(documents.upload(name, name.encode()) for name in names))
        contents = await asyncio.gather(*(documents.download(name) for name in names))
        equal(contents, [name.encode() for name in names])
        equal(len(await documents.list(f"{session.user.id}/many")), 20)

    await fact.wait_for("twenty files at once through the asynchronous client", many)


def ending(fact, plinth):
    @fact("SIGTERM ends it with 0")
    def _():
        equal(plinth.stop(), 0)

    @fact("every row has its bytes, and nothing is there without a row")
    def _():
        plinth.run("storage", "check", plinth.folder)


def denied(status, call):
    """The error of a call that storage must refuse with this status."""
    try:
        answer = call()
    except StorageApiError as error:
        equal(int(error.status), status)
        return error
    raise AssertionError(f"not refused with {status}, but answered {answer!r}")


def get(url):
    return httpx.get(url, timeout=REQUEST_SECONDS)


def names(entries):
    return [entry["name"] for entry in entries]


def halves(width, height):
    """Red on the left, blue on the right."""
    image = Image.new("RGB", (width, height), (220, 30, 30))
    image.paste((30, 30, 220), (width // 2, 0, width, height))
    return image


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def alike(one, other):
    """Fails unless two pictures look the same, away from the edge between colours."""
    equal(one.size, other.size)
    one, other = one.convert("RGB"), other.convert("RGB")
    width, height = one.size
    for x in (width // 8, width - width // 8 - 1):
        for y in (height // 8, height - height // 8 - 1):
            pairs = zip(one.getpixel((x, y)), other.getpixel((x, y)))
            near = all(abs(a - b) < 25 for a, b in pairs)
            assert near, f"at {x}, {y}: {one.getpixel((x, y))} and {other.getpixel((x, y))}"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python media.py PLINTH_BINARY")
    sys.exit(main(sys.argv[1]))
