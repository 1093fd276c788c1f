//! Related tables.

use expect_test::expect;

use crate::show::read;

#[test]
fn many_to_one() {
    expect![[r#"
        SELECT orders.id, orders.client_id FROM public.orders AS orders ORDER BY orders.id NULLS LAST LIMIT 1000
        as id=0 clients=One[1]
            SELECT clients.name FROM public.clients AS clients WHERE clients.id = $1
            as name=0
    "#]].assert_eq(&read("orders?select=id,clients(name)"));
}

#[test]
fn many_to_one_by_column() {
    expect![[r#"
        SELECT orders.id, orders.client_id FROM public.orders AS orders ORDER BY orders.id NULLS LAST LIMIT 1000
        as id=0 client=One[1]
            SELECT clients.name FROM public.clients AS clients WHERE clients.id = $1
            as name=0
    "#]].assert_eq(&read("orders?select=id,client:client_id(name)"));
}

#[test]
fn many_to_one_by_constraint() {
    expect![[r#"
        SELECT orders.id, orders.client_id FROM public.orders AS orders ORDER BY orders.id NULLS LAST LIMIT 1000
        as id=0 orders_client_id_fkey=One[1]
            SELECT clients.name FROM public.clients AS clients WHERE clients.id = $1
            as name=0
    "#]].assert_eq(&read("orders?select=id,orders_client_id_fkey(name)"));
}

#[test]
fn one_to_many() {
    expect![[r#"
        SELECT clients.name, clients.id FROM public.clients AS clients ORDER BY clients.id NULLS LAST LIMIT 1000
        as name=0 orders=Many[1]
            SELECT orders.id, orders.total FROM public.orders AS orders WHERE orders.client_id = $1 ORDER BY orders.id NULLS LAST LIMIT 1000
            as id=0 total=1
    "#]].assert_eq(&read("clients?select=name,orders(id,total)"));
}

#[test]
fn one_to_one_from_both_sides() {
    expect![[r#"
        SELECT clients.id FROM public.clients AS clients ORDER BY clients.id NULLS LAST LIMIT 1000
        as id=0 profiles=One[0]
            SELECT profiles.bio, profiles.client_id FROM public.profiles AS profiles WHERE profiles.client_id = $1
            as bio=0 clients=One[1]
                SELECT clients.id FROM public.clients AS clients WHERE clients.id = $1
                as id=0
    "#]].assert_eq(&read("clients?select=id,profiles(bio,clients(id))"));
}

#[test]
fn many_to_many() {
    expect![[r#"
        SELECT orders.id FROM public.orders AS orders ORDER BY orders.id NULLS LAST LIMIT 1000
        as id=0 labels=Many[0]
            SELECT labels.word FROM public.labels AS labels JOIN public.order_labels AS order_labels ON order_labels.label_id = labels.id WHERE order_labels.order_id = $1 ORDER BY labels.id NULLS LAST LIMIT 1000
            as word=0
    "#]].assert_eq(&read("orders?select=id,labels(word)"));
}

#[test]
fn levels_have_their_own_filters_order_and_page() {
    expect![[r#"
        SELECT clients.id FROM public.clients AS clients ORDER BY clients.id NULLS LAST LIMIT 1000
        as id=0 orders=Many[0]
            SELECT orders.id FROM public.orders AS orders WHERE (orders.client_id = $1) AND (orders.total > $2) ORDER BY orders.total DESC NULLS FIRST LIMIT 3
            with 5
            as id=0 items=Many[0]
                SELECT items.name FROM public.items AS items WHERE (items.order_id = $1) AND (items.name = $2) ORDER BY items.id NULLS LAST LIMIT 1000 OFFSET 1
                with x
                as name=0
    "#]].assert_eq(&read("clients?select=id,orders(id,items(name))&orders.total=gt.5&orders.order=total.desc&orders.limit=3&orders.items.name=eq.x&orders.items.offset=1"));
}

#[test]
fn inner_embeds_filter_parents() {
    expect![[r#"
        SELECT orders.id, orders.client_id FROM public.orders AS orders WHERE (orders.id > $1) AND EXISTS (SELECT 1 FROM public.clients AS clients WHERE (clients.id = orders.client_id) AND (clients.name = $2)) ORDER BY orders.id NULLS LAST LIMIT 1000
        with 1 | x
        as id=0 clients=One[1]
            SELECT clients.name FROM public.clients AS clients WHERE (clients.id = $1) AND (clients.name = $2)
            with x
            as name=0
    "#]].assert_eq(&read(
        "orders?select=id,clients!inner(name)&clients.name=eq.x&id=gt.1",
    ));
}

#[test]
fn inner_embeds_nest() {
    expect![[r#"
        SELECT clients.id FROM public.clients AS clients WHERE EXISTS (SELECT 1 FROM public.orders AS orders WHERE (orders.client_id = clients.id) AND EXISTS (SELECT 1 FROM public.items AS items WHERE (items.order_id = orders.id) AND (items.name = $1))) ORDER BY clients.id NULLS LAST LIMIT 1000
        with x
        as id=0 orders=Many[0]
            SELECT orders.id FROM public.orders AS orders WHERE (orders.client_id = $1) AND EXISTS (SELECT 1 FROM public.items AS items WHERE (items.order_id = orders.id) AND (items.name = $2)) ORDER BY orders.id NULLS LAST LIMIT 1000
            with x
            as id=0 items=Many[0]
                SELECT items.id FROM public.items AS items WHERE (items.order_id = $1) AND (items.name = $2) ORDER BY items.id NULLS LAST LIMIT 1000
                with x
                as id=0
    "#]].assert_eq(&read(
        "clients?select=id,orders!inner(id,items!inner(id))&orders.items.name=eq.x",
    ));
}

#[test]
fn inner_over_a_junction() {
    expect![[r#"
        SELECT orders.id FROM public.orders AS orders WHERE EXISTS (SELECT 1 FROM public.labels AS labels JOIN public.order_labels AS order_labels ON order_labels.label_id = labels.id WHERE (order_labels.order_id = orders.id) AND (labels.word = $1)) ORDER BY orders.id NULLS LAST LIMIT 1000
        with x
        as id=0
    "#]].assert_eq(&read("orders?select=id,labels!inner()&labels.word=eq.x"));
}

#[test]
fn embeds_can_be_tested_for_presence() {
    expect![[r#"
        SELECT clients.id FROM public.clients AS clients WHERE NOT EXISTS (SELECT 1 FROM public.orders AS orders WHERE (orders.client_id = clients.id) AND (orders.total > $1)) ORDER BY clients.id NULLS LAST LIMIT 1000
        with 5
        as id=0
    "#]].assert_eq(&read(
        "clients?select=id,orders()&orders=is.null&orders.total=gt.5",
    ));
}

#[test]
fn presence_in_logic() {
    expect![[r#"
        SELECT clients.id FROM public.clients AS clients WHERE EXISTS (SELECT 1 FROM public.orders AS orders WHERE orders.client_id = clients.id) OR EXISTS (SELECT 1 FROM public.profiles AS profiles WHERE profiles.client_id = clients.id) ORDER BY clients.id NULLS LAST LIMIT 1000
        as id=0
    "#]].assert_eq(&read(
        "clients?select=id,orders(),profiles()&or=(orders.not.is.null,profiles.not.is.null)",
    ));
}

#[test]
fn embeds_compare_with_null_only() {
    expect![[r#"
        PGRST120 Bad operator on the 'orders' embedded resource
        details: Only is null or not is null filters are allowed on embedded resources
    "#]]
    .assert_eq(&read("clients?select=id,orders()&orders=eq.1"));
}

#[test]
fn spreads() {
    expect![[r#"
        SELECT orders.id, orders.client_id FROM public.orders AS orders ORDER BY orders.id NULLS LAST LIMIT 1000
        as id=0 clients=SpreadOne[1] items=SpreadMany[0]
            SELECT clients.name FROM public.clients AS clients WHERE clients.id = $1
            as client=0
            SELECT items.name FROM public.items AS items WHERE items.order_id = $1 ORDER BY items.id NULLS LAST LIMIT 1000
            as names=0
    "#]].assert_eq(&read(
        "orders?select=id,...clients(client:name),...items(names:name)",
    ));
}

#[test]
fn self_reference_by_name_is_to_many() {
    expect![[r#"
        SELECT employees.id FROM public.employees AS employees ORDER BY employees.id NULLS LAST LIMIT 1000
        as id=0 reports=Many[0]
            SELECT employees.id FROM public.employees AS employees WHERE employees.boss_id = $1 ORDER BY employees.id NULLS LAST LIMIT 1000
            as id=0
    "#]].assert_eq(&read("employees?select=id,reports:employees(id)"));
}

#[test]
fn self_reference_by_column_is_to_one() {
    expect![[r#"
        SELECT employees.id, employees.boss_id FROM public.employees AS employees ORDER BY employees.id NULLS LAST LIMIT 1000
        as id=0 boss=One[1]
            SELECT employees.id FROM public.employees AS employees WHERE (employees.id = $1) AND (employees.name = $2)
            with x
            as id=0
    "#]].assert_eq(&read("employees?select=id,boss:boss_id(id)&boss.name=eq.x"));
}

#[test]
fn self_reference_with_hint_is_to_many() {
    expect![[r#"
        SELECT employees.id FROM public.employees AS employees WHERE EXISTS (SELECT 1 FROM public.employees AS employees_1 WHERE employees_1.boss_id = employees.id) ORDER BY employees.id NULLS LAST LIMIT 1000
        as id=0 reports=Many[0]
            SELECT employees.id FROM public.employees AS employees WHERE employees.boss_id = $1 ORDER BY employees.id NULLS LAST LIMIT 1000
            as id=0
    "#]].assert_eq(&read(
        "employees?select=id,reports:employees!boss_id!inner(id)",
    ));
}

#[test]
fn several_keys_need_a_hint() {
    expect![[r#"
        PGRST201 Could not embed because more than one relationship was found for 'shipments' and 'addresses'
        details: [{"cardinality":"many-to-one","embedding":"shipments with addresses","relationship":"shipments_from_id_fkey using shipments(from_id) and addresses(id)"},{"cardinality":"many-to-one","embedding":"shipments with addresses","relationship":"shipments_to_id_fkey using shipments(to_id) and addresses(id)"}]
        hint: Try changing 'addresses' to one of the following: 'addresses!shipments_from_id_fkey', 'addresses!shipments_to_id_fkey'. Find the desired relationship in the 'details' key.
    "#]].assert_eq(&read("shipments?select=id,addresses(street)"));
}

#[test]
fn hints_are_constraints_or_columns() {
    expect![[r#"
        SELECT shipments.id, shipments.from_id, shipments.to_id FROM public.shipments AS shipments ORDER BY shipments.id NULLS LAST LIMIT 1000
        as id=0 a=One[1] b=One[2]
            SELECT addresses.street FROM public.addresses AS addresses WHERE addresses.id = $1
            as street=0
            SELECT addresses.street FROM public.addresses AS addresses WHERE addresses.id = $1
            as street=0
    "#]].assert_eq(&read(
        "shipments?select=id,a:addresses!from_id(street),b:addresses!shipments_to_id_fkey(street)",
    ));
}

#[test]
fn columns_choose_among_several_keys() {
    expect![[r#"
        SELECT shipments.id, shipments.from_id, shipments.to_id FROM public.shipments AS shipments ORDER BY shipments.id NULLS LAST LIMIT 1000
        as id=0 from_id=One[1] to_id=One[2]
            SELECT addresses.street FROM public.addresses AS addresses WHERE addresses.id = $1
            as street=0
            SELECT addresses.street FROM public.addresses AS addresses WHERE addresses.id = $1
            as street=0
    "#]].assert_eq(&read("shipments?select=id,from_id(street),to_id(street)"));
}

#[test]
fn hints_from_the_other_side() {
    expect![[r#"
        SELECT addresses.id FROM public.addresses AS addresses ORDER BY addresses.id NULLS LAST LIMIT 1000
        as id=0 shipments=Many[0]
            SELECT shipments.id FROM public.shipments AS shipments WHERE shipments.to_id = $1 ORDER BY shipments.id NULLS LAST LIMIT 1000
            as id=0
    "#]].assert_eq(&read("addresses?select=id,shipments!to_id(id)"));
}

#[test]
fn views_show_the_keys_of_their_tables() {
    expect![[r#"
        SELECT big_orders.id, big_orders.client FROM public.big_orders AS big_orders LIMIT 1000
        as id=0 clients=One[1] items=Many[0] labels=Many[0]
            SELECT clients.name FROM public.clients AS clients WHERE clients.id = $1
            as name=0
            SELECT items.name FROM public.items AS items WHERE items.order_id = $1 ORDER BY items.id NULLS LAST LIMIT 1000
            as name=0
            SELECT labels.word FROM public.labels AS labels JOIN public.order_labels AS order_labels ON order_labels.label_id = labels.id WHERE order_labels.order_id = $1 ORDER BY labels.id NULLS LAST LIMIT 1000
            as word=0
    "#]].assert_eq(&read(
        "big_orders?select=id,clients(name),items(name),labels(word)",
    ));
}

#[test]
fn views_are_embedded() {
    expect![[r#"
        SELECT clients.id FROM public.clients AS clients ORDER BY clients.id NULLS LAST LIMIT 1000
        as id=0 big_orders=Many[0]
            SELECT big_orders.doubled FROM public.big_orders AS big_orders WHERE big_orders.client = $1 LIMIT 1000
            as doubled=0
    "#]].assert_eq(&read("clients?select=id,big_orders(doubled)"));
}

#[test]
fn unrelated_tables_are_refused() {
    expect![[r#"
        PGRST200 Could not find a relationship between 'orders' and 'log' in the schema cache
        details: Searched for a foreign key relationship between 'orders' and 'log' in the schema 'public', but no matches were found.
    "#]].assert_eq(&read("orders?select=id,log(line)"));
}

#[test]
fn near_names_are_suggested() {
    expect![[r#"
        PGRST200 Could not find a relationship between 'clients' and 'order' in the schema cache
        details: Searched for a foreign key relationship between 'clients' and 'order' in the schema 'public', but no matches were found.
        hint: Perhaps you meant 'orders' instead of 'order'.
    "#]].assert_eq(&read("clients?select=id,order(id)"));
}
