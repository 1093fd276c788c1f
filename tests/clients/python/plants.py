"""Rows under policies, and functions called by name, with supabase-py."""

from postgrest import ReturnMethod

from stage import equal, new_person, refused


def rows(fact, plinth):
    """Ann and Bob have plants; neither sees the other's."""
    ann, bob = new_person(plinth, "ann"), new_person(plinth, "bob")
    plants = ann.client.table("plants")

    @fact("a person writes rows and gets them back, with the owner that the column's default names")
    def _():
        ferns = [
            {"name": "Fern", "watered_on": "2026-03-01", "every_days": 3},
            {"name": "Palm, small", "watered_on": "2026-03-05", "every_days": 30},
            {"name": "Cactus", "watered_on": "2026-01-01", "every_days": 90},
        ]
        written = plants.insert(ferns).execute().data
        equal([one["name"] for one in written], ["Fern", "Palm, small", "Cactus"])
        equal({one["owner"] for one in written}, {ann.id})
        equal(written[0]["watered_on"], "2026-03-01")
        bob.client.table("plants").insert({"name": "Secret of Bob", "watered_on": "2026-03-01"}).execute()

    @fact("everybody sees only their own rows, and someone who is not signed in sees none")
    def _():
        equal(names(bob), ["Secret of Bob"])
        equal(names(ann), ["Cactus", "Fern", "Palm, small"])
        equal(plinth.anonymous().table("plants").select("*").execute().data, [])

    @fact("a row in another's name is refused")
    def _():
        row = {"name": "Forged", "watered_on": "2026-03-01", "owner": ann.id}
        # Without asking for the row back, which is a reason of its own to refuse it.
        forged = bob.client.table("plants").insert(row, returning=ReturnMethod.minimal)
        error = refused("42501", forged.execute)
        equal(error.message, 'new row violates row-level security policy for table "plants"')

    @fact("nobody can give a row away, and someone who is not signed in writes none")
    def _():
        given = bob.client.table("plants").update({"owner": ann.id}).eq("name", "Secret of Bob")
        refused("42501", given.execute)
        row = {"name": "Weed", "watered_on": "2026-03-01", "owner": ann.id}
        refused("42501", lambda: plinth.anonymous().table("plants").insert(row).execute())

    @fact("changing and deleting what is another's does nothing")
    def _():
        equal(bob.client.table("plants").update({"name": "Taken"}).eq("owner", ann.id).execute().data, [])
        equal(bob.client.table("plants").delete().eq("owner", ann.id).execute().data, [])
        equal(names(ann), ["Cactus", "Fern", "Palm, small"])

    @fact("filters, order, pages and counts")
    def _():
        page = plants.select("name", count="exact").gte("every_days", 10).order("every_days").limit(1).execute()
        equal((page.data, page.count), ([{"name": "Palm, small"}], 2))
        either = plants.select("name").or_('name.eq."Palm, small",every_days.lt.5').order("id").execute()
        equal(either.data, [{"name": "Fern"}, {"name": "Palm, small"}])
        equal(plants.select("*", count="exact", head=True).execute().count, 3)

    @fact("one row, none, or too many")
    def _():
        equal(plants.select("name").eq("every_days", 3).single().execute().data, {"name": "Fern"})
        equal(plants.select("name").eq("name", "Oak").maybe_single().execute(), None)
        refused("PGRST116", plants.select("name").single().execute)

    @fact("mistakes have codes that programs can read")
    def _():
        refused("42703", plants.select("nam").execute)
        refused("PGRST205", ann.client.table("plant").select("*").execute)
        refused("23514", plants.insert({"name": "", "watered_on": "2026-03-01"}).execute)
        refused("22P02", plants.select("*").eq("id", "one").execute)

    @fact("a change and an upsert answer the row as it is now")
    def _():
        fern = plants.update({"every_days": 4}).eq("name", "Fern").execute().data[0]
        equal(fern["every_days"], 4)
        equal(plants.upsert({**fern, "name": "Tree fern"}).execute().data, [{**fern, "name": "Tree fern"}])
        equal(names(ann), ["Cactus", "Palm, small", "Tree fern"])

    @fact("the service key sees everybody's rows")
    def _():
        everybody = plinth.service().table("plants").select("name").in_("owner", [ann.id, bob.id]).execute().data
        equal(len(everybody), 4)


def functions(fact, plinth):
    """Cleo calls functions by name."""
    cleo = new_person(plinth, "cleo")
    client, anonymous = cleo.client, plinth.anonymous()
    rose, moss, _ = (
        client.table("plants")
        .insert(
            [
                {"name": "Rose", "watered_on": "2026-05-01", "every_days": 2},
                {"name": "Moss", "watered_on": "2026-05-02", "every_days": 1},
                {"name": "Aloe", "watered_on": "2026-05-01", "every_days": 60},
            ]
        )
        .execute()
        .data
    )

    @fact("a function is called by name with arguments, and answers its value")
    def _():
        equal(client.rpc("water", {"plant": rose["id"], "on_day": "2026-05-04"}).execute().data, "2026-05-06")
        watered = client.table("plants").select("watered_on").eq("id", rose["id"]).single().execute().data
        equal(watered, {"watered_on": "2026-05-04"})

    @fact("a function that answers rows takes filters, columns, order and pages")
    def _():
        def thirsty():
            return client.rpc("thirsty_plants", {"on_day": "2026-05-20"})

        equal([one["name"] for one in thirsty().order("name").execute().data], ["Moss", "Rose"])
        equal(thirsty().select("id, name").gt("every_days", 1).execute().data, [{"id": rose["id"], "name": "Rose"}])
        equal(thirsty().select("name").order("name", desc=True).limit(1).execute().data, [{"name": "Rose"}])
        equal(client.rpc("thirsty_plants", {"on_day": "2026-05-20"}, count="exact").execute().count, 2)

    @fact("a function that changes nothing can be called with GET, one that does cannot")
    def _():
        found = client.rpc("thirsty_plants", {"on_day": "2026-05-05"}, get=True).execute().data
        equal(found, [moss])
        arguments = {"plant": rose["id"], "on_day": "2026-05-05"}
        refused("25006", client.rpc("water", arguments, get=True).execute)

    @fact("a function reads what whoever calls it may read")
    def _():
        equal(anonymous.rpc("thirsty_plants", {"on_day": "2026-05-20"}).execute().data, [])

    @fact("an exception of a function comes with its code, message and hint")
    def _():
        error = refused("P0001", client.rpc("water", {"plant": 0, "on_day": "2026-05-04"}).execute)
        equal(error.message, "there is no plant 0")
        equal(error.hint, "Only your own plants can be watered.")

    @fact("a function whose execution was revoked is refused to strangers, and answers those who are signed in")
    def _():
        error = refused("42501", anonymous.rpc("plants_of_all").execute)
        equal(error.message, "permission denied for function plants_of_all")
        assert client.rpc("plants_of_all").execute().data >= 3

    @fact("a function that does not exist, or not with these arguments, is not found")
    def _():
        refused("PGRST202", client.rpc("prune", {"plant": 1}).execute)
        refused("PGRST202", client.rpc("water", {"plants": 1}).execute)
        refused("22P02", client.rpc("water", {"plant": "rose", "on_day": "2026-05-04"}).execute)


def names(person):
    return [one["name"] for one in person.client.table("plants").select("name").order("name").execute().data]
