//! Arrays, JSON, aggregates, order, rows in transit.

use super::{ask, check, connection};

#[test]
fn arrays() {
    check(
        "pg_array('a',NULL,'1') => [\"a\",null,\"1\"]
        pg_array(json('[\"1\"]'),json('[\"2\"]')) => [[\"1\"],[\"2\"]]
        pg_array(json('[\"1\"]'),json('[\"2\",\"3\"]')) => ! 2202E multidimensional arrays must have array expressions with matching dimensions
        array_cat('[\"1\"]','[\"2\"]') => [\"1\",\"2\"]
        array_cat(NULL,'[\"2\"]') => [\"2\"]
        array_cat('[\"1\"]','[[\"2\"]]') => [[\"1\"],[\"2\"]]
        array_cat('[\"1\"]','[[\"1\",\"2\"]]') => ! 2202E cannot concatenate incompatible arrays
        array_append(NULL,'a') => [\"a\"]
        array_append('[\"a\"]',NULL) => [\"a\",null]
        array_append('[[\"a\"]]','b') => ! 22000 argument must be empty or one-dimensional array
        array_prepend('b','[\"a\"]') => [\"b\",\"a\"]
        array_contains('[\"a\",\"b\"]','[\"b\"]') => 1
        array_contains('[\"a\",null]','[null]') => 0
        array_contains('[\"1.0\"]','[\"1.00\"]') => 0
        array_contains('[\"1.0\"]','[\"1.00\"]','numeric[]') => 1
        array_overlaps('[\"a\"]','[\"b\",\"a\"]') => 1
        array_item('[\"a\",\"b\"]',2) => b
        array_item('[\"a\"]',0) => NULL
        array_slice('[\"1\",\"2\",\"3\"]',0,2,0,0) => [\"1\",\"2\"]
        array_slice('[\"1\",\"2\",\"3\"]',2,NULL,0,1) => [\"2\",\"3\"]
        array_slice('[\"1\",\"2\",\"3\"]',NULL,2,0,0) => NULL
        array_flatten('[[\"1\"],[\"2\"]]') => [\"1\",\"2\"]
        array_to_string_('[[\"1\",\"2\"],[\"3\",null]]',',','x') => 1,2,3,x
        array_length_('[]',1) => NULL
        array_length_('[[\"1\",\"2\"]]',2) => 2
        array_dims_('[[\"1\",\"2\"]]') => [1:1][1:2]
        array_cardinality_('[[\"1\",\"2\"]]') => 2
        array_remove_('[\"1.0\",\"2\",null]','1.00','numeric[]') => [\"2\",null]
        array_remove_('[[\"1\"]]','1','int4[]') => ! 0A000 removing elements from multidimensional arrays is not supported
        array_position_('[\"1\",\"2\",\"1\"]','1',2,'int4[]') => 3
        array_positions_('[\"1\",\"2\",\"1\"]','1','int4[]') => [\"1\",\"3\"]
        array_fill_('7','[\"2\",\"2\"]') => [[\"7\",\"7\"],[\"7\",\"7\"]]
        array_trim_('[\"1\",\"2\"]',3) => ! 2202E number of elements to trim must be between 0 and 2
        array_subscripts_('[\"a\",\"b\"]',1,1) => [2,1]",
    );
}

#[test]
fn json() {
    check(
        "json_key('{\"a\":1,\"a\":{\"b\": 2}}','a') => {\"b\": 2}
        jsonb_key_text('{\"a\": \"x\\ny\"}','a') => x\\ny
        jsonb_index('[1, 2]',-1) => 2
        json_index_text('[null]',0) => NULL
        jsonb_path('{\"a\": [1, {\"b\": 2}]}','[\"a\",\"1\",\"b\"]') => 2
        jsonb_concat('{\"a\": 1}','{\"b\": 2}') => {\"a\": 1, \"b\": 2}
        jsonb_delete('{\"a\": 1}','a') => {}
        jsonb_delete('1','a') => ! 22023 cannot delete from scalar
        jsonb_contains('{\"a\": [1, 2]}','{\"a\": [2]}') => 1
        jsonb_exists_any('{\"a\": 1}','[\"b\",\"a\"]') => 1
        jsonb_set_('{\"a\": 1}','[\"b\"]','2',1) => {\"a\": 1, \"b\": 2}
        jsonb_set_('[1]','[\"x\"]','2',1) => ! 22P02 path element at position 1 is not an integer: \"x\"
        jsonb_set_lax_('{\"a\": 1}','[\"a\"]',NULL,1,'delete_key') => {}
        jsonb_insert_('{\"a\": 1}','[\"a\"]','5',0) => ! 22023 cannot replace existing key
        json_build_object_('\"a\"','1','1','null','true','[1,2]') => {\"a\" : 1, \"1\" : null, \"true\" : [1,2]}
        json_build_object_('\"a\"') => ! 22023 argument list must have even number of elements
        json_build_object_('null','1') => ! 22023 argument 1 cannot be null
        jsonb_build_object_('null','1') => ! 22023 argument 1: key must not be null
        json_build_object_('[1]','1') => ! 22023 key value must be scalar, not array, composite, or json
        json_build_array_('1','\"a\"','null') => [1, \"a\", null]
        json_build_array_() => []
        json_object_('[\"a\",\"1\",\"b\",null]') => {\"a\" : \"1\", \"b\" : null}
        json_object_('[\"a\"]') => ! 2202E array must have even number of elements
        json_object_of_('[\"a\"]','[\"1\",\"2\"]') => ! 2202E mismatched array dimensions
        pg_json_object('a','1','b',NULL) => {\"a\":1,\"b\":null}
        pg_json_merge('{\"a\":1}','{}','{\"b\":2}') => {\"a\":1,\"b\":2}
        json_each_('{\"a\":1,\"b\":null}','json_each') => [[\"a\",\"1\"],[\"b\",\"null\"]]
        json_each_text_('{\"a\":1,\"b\":null}','json_each_text') => [[\"a\",\"1\"],[\"b\",null]]
        json_each_('[]','jsonb_each') => ! 22023 cannot call jsonb_each on a non-object
        json_elements_('[1,\"a\"]','json_array_elements') => [\"1\",\"\\\"a\\\"\"]
        json_elements_text_('[1,\"a\",null]','json_array_elements_text') => [\"1\",\"a\",null]
        json_keys_('{\"b\":1,\"a\":2}','json_object_keys') => [\"b\",\"a\"]
        json_record_('[1]') => ! 22023 cannot call populate_composite on an array
        json_recordset_('[1]','json_to_recordset') => ! 22023 argument of json_to_recordset must be an array of objects
        select json_extract(value,'$[0]') from json_each(json_each_text_('{\"a\":1}','json_each_text')) => a",
    );
}

#[test]
fn aggregates() {
    let rows = "from (values ('1.50',1),('2',2),('3',3)) ";
    check(&format!(
        "select sum_n(column1) {rows} => 6.50
        select avg_n(column1) {rows} => 2.1666666666666667
        select sum_n(column1) over (order by column2 rows 1 preceding) {rows} => 1.50 3.50 5
        select avg_n(column1) over (order by column2 rows 1 preceding) {rows} => 1.50000000000000000000 1.7500000000000000 2.5000000000000000
        select sum_n(column1) from (values ('1'),('NaN'),('Infinity')) => NaN
        select sum_n(column1) from (values ('123456789012345678901234567890.5'),('0.5')) => 123456789012345678901234567891.0
        select sum_n(column1) {rows} where 0 => NULL
        select stddev_samp_n(column1) from (values ('1'),('2'),('2'),('7')) => 2.7080128015453201
        select var_pop_n(column1) from (values ('1'),('2'),('2'),('7')) => 5.5000000000000000
        select stddev_samp_n('1') => NULL
        select stddev_pop_n('1') => 0
        select stddev_samp_f(column1) from (values (1.0),(2.0),(2.0),(7.0)) => 2.70801280154532
        select var_pop_f(column1) over (order by column2 rows 1 preceding) from (values (1.0,1),(3.0,2),(5.0,3)) => 0.0 1.0 1.0
        select pg_out(avg_iv(column1),'interval') from (values ('0 1 0'),('0 0 10800000000')) => 13:30:00
        select array_agg_(column1 order by column2 desc) {rows} => [\"3\",\"2\",\"1.50\"]
        select array_agg_(column1) over (order by column2 rows 1 preceding) {rows} => [\"1.50\"] [\"1.50\",\"2\"] [\"2\",\"3\"]
        select array_agg_(json(column1) order by column1) from (values ('[\"2\"]'),('[\"1\"]')) => [[\"1\"],[\"2\"]]
        select array_agg_(json(column1)) from (values ('[\"2\"]'),('[\"1\",\"2\"]')) => ! 2202E cannot accumulate arrays of different dimensionality
        select string_agg_(column1,',') from (values ('a'),(NULL),('b')) => a,b
        select string_agg_(column1,',') from (values (NULL)) => NULL
        select array_join_(array_agg_(distinct column1),',') from (values ('a'),('a'),(NULL)) => a
        select json_agg_(column1) from (values ('1'),('null')) => [1, null]
        select json_agg_(column1,1) from (values ('{{}}'),('{{}}')) => [{{}}, \\n {{}}]
        select json_object_agg_(column1,column2) from (values ('a','1'),('b','null')) => {{ \"a\" : 1, \"b\" : null }}
        select json_object_agg_(NULL,'1') => ! 22023 field name must not be null
        select bit_and_(column1) from (values (6),(3),(NULL)) => 2
        select bit_or_(column1) from (values (-8),(3)) => -5
        select pg_single(column1) from (values (6)) => 6
        select pg_single(column1) {rows} where 0 => NULL
        select pg_single(column1) {rows} => ! 21000 more than one row returned by a subquery used as an expression",
    ));
}

#[test]
fn collations() {
    let ordered = |collation: &str, values: &str| {
        ask(
            &connection(),
            &format!(
                "select column1 from (values {values}) order by column1 collate \"{collation}\""
            ),
        )
        .unwrap()
    };
    assert_eq!(
        ordered("num", "('10'),('NaN'),('9.5'),('-3')"),
        "-3 9.5 10 NaN"
    );
    assert_eq!(
        ordered("interval", "('1 0 0'),('0 29 0'),('0 31 0')"),
        "0 29 0 1 0 0 0 31 0"
    );
    assert_eq!(
        ordered("enum:7", "('happy'),('gone'),('sad')"),
        "sad happy gone"
    );
    assert_eq!(
        ordered("array:enum:7", "('[\"happy\"]'),('[\"sad\",\"ok\"]')"),
        "[\"sad\",\"ok\"] [\"happy\"]"
    );
    assert_eq!(
        ordered(
            "array:int4",
            "('[\"10\"]'),('[\"9\",\"1\"]'),('[\"9\"]'),('[null]')"
        ),
        "[\"9\"] [\"9\",\"1\"] [\"10\"] [null]"
    );
    assert_eq!(
        ordered("jsonb", "('{}'),('[]'),('\"a\"'),('null')"),
        "[] null \"a\" {}"
    );
    check(
        "'1.5' = '1.50' collate num => 1
        '[\"1.0\"]' = '[\"1.00\"]' collate \"array:numeric\" => 1
        '0 1 0' = '0 0 86400000000' collate interval => 1",
    );
}

#[test]
fn rows_in_transit() {
    check(
        "pg_unpack(json_array(pg_pack('a\"b'),pg_pack(1),pg_pack(0.1),pg_pack(NULL),pg_pack(x'00ff')),0) => a\"b
        pg_unpack(json_array(pg_pack(-5),pg_pack(1)),0) => -5
        pg_unpack(json_array(pg_pack(9e999)),0) => inf
        pg_unpack(json_array(pg_pack(NULL)),0) => NULL
        typeof(pg_unpack(json_array(pg_pack(x'00ff')),0)) => blob
        pg_unpack(json_array(pg_pack('null')),0) => null
        pg_limit(NULL,'LIMIT') => -1
        pg_limit(-1,'LIMIT') => ! 2201W LIMIT must not be negative
        pg_limit(-1,'OFFSET') => ! 2201X OFFSET must not be negative",
    );
}
