//! Numbers, casts, times, series.

use super::check;

#[test]
fn arithmetic() {
    check(
        "i4_add(1,2) => 3
        i4_add(2147483647,1) => ! 22003 integer out of range
        i2_mul(300,300) => ! 22003 smallint out of range
        i8_sub(-9223372036854775807,2) => ! 22003 bigint out of range
        i4_div(7,2) => 3
        i4_div(-7,2) => -3
        i4_div(1,0) => ! 22012 division by zero
        i8_mod(-7,3) => -1
        i8_mod(1,0) => ! 22012 division by zero
        i4_neg(-2147483648) => ! 22003 integer out of range
        i4_add(1,NULL) => NULL
        n_add('1.50','2') => 3.50
        n_div('1','3') => 0.33333333333333333333
        n_div('1','0') => ! 22012 division by zero
        n_pow('2.0','0.5') => 1.4142135623730950
        n_pow('2','10') => 1024.0000000000000000
        f8_add(0.1,0.2) => 0.30000000000000004
        f8_div(1.0,0.0) => ! 22012 division by zero
        f8_mul(1e300,1e300) => ! 22003 value out of range: overflow
        f4_add(0.100000001490116,0.200000002980232) => 0.30000001192092896
        f8_pow(0.0,-1.0) => ! 2201F zero raised to a negative power is undefined
        f8_pow(-8.0,0.5) => ! 2201F a negative number raised to a non-integer power yields a complex result
        i4_abs(-5) => 5
        i4_gcd(12,18) => 6
        i4_lcm(4,6) => 12
        i4_lcm(2147483647,2) => ! 22003 integer out of range",
    );
}

#[test]
fn numbers() {
    check(
        "n_round('2.5',0) => 3
        n_round('2.345',2) => 2.35
        n_round('12345.6',-2) => 12300
        n_trunc('2.79',1) => 2.7
        n_ceil('-2.5') => -2
        f8_round(2.5) => 2.0
        f8_trunc(-2.7) => -2.0
        n_ln('2.0') => 0.6931471805599453
        n_ln('10') => 2.3025850929940457
        n_ln('0.99999') => -0.000010000050000333336
        n_ln('1.0') => 0.0000000000000000
        n_ln('0.00000000000000000001') => -46.05170185988091368036
        n_ln('0') => ! 2201E cannot take logarithm of zero
        n_ln('-1') => ! 2201E cannot take logarithm of a negative number
        n_exp('1') => 2.7182818284590452
        n_exp('0.0') => 1.0000000000000000
        n_exp('-100.5') => 0.00000000000000000000000000000000000000000002256340135917036
        n_exp('300.25') => 24941248615349212861016143149068194319534538911968655233944294799923214326116125181595464258898104103812467954874105309081890765515.38
        n_exp('10000') => ! 22003 value overflows numeric format
        n_log('10','100.0') => 2.0000000000000000
        n_log('2.0','64.0') => 6.0000000000000000
        n_log('10','3') => 0.4771212547196624
        n_log('10','0.00001') => -5.000000000000000
        n_log('1.0','2.0') => ! 22012 division by zero
        n_gcd('1.5','0.6') => 0.3
        n_lcm('1.5','0.6') => 3.0
        n_factorial(20) => 2432902008176640000
        n_bucket('5.35','0.024','10.06',5) => 3
        n_bucket('0.9','10','1',4) => 5
        n_bucket('1','1','1',4) => ! 2201G lower bound cannot equal upper bound
        f8_bucket(5.35,0.024,10.06,5) => 3
        f8_sqrt(-1.0) => ! 2201F cannot take square root of a negative number
        f8_asin(2.0) => ! 22003 input is out of range
        f8_exp(1000.0) => ! 22003 value out of range: overflow
        f8_exp(-1000.0) => ! 22003 value out of range: underflow
        f8_degrees(1.0) => 57.29577951308232
        n_trim_scale('1.500') => 1.5
        pg_to_hex4(-1) => ffffffff
        pg_to_hex8(-1) => ffffffffffffffff",
    );
}

#[test]
fn casts() {
    check(
        "pg_in('12','int4') => 12
        pg_in('x','int4') => ! 22P02 invalid input syntax for type integer: \"x\"
        pg_in('{1,NULL}','int4[]') => [\"1\",null]
        pg_in('{\"b\":1,\"a\":1.50}','jsonb') => {\"a\": 1.50, \"b\": 1}
        pg_out(1,'bool') => true
        pg_element(1,'bool') => t
        pg_out(0,'date') => 2000-01-01
        pg_out('[\"a b\",null]','text[]') => {\"a b\",NULL}
        pg_cast('2.5','numeric','int4') => 3
        pg_cast('99999999999','numeric','int4') => ! 22003 integer out of range
        pg_cast(2.5,'float8','int4') => 2
        pg_cast(0.1,'float8','numeric') => 0.1
        pg_cast(70000,'int4','int2') => ! 22003 smallint out of range
        pg_cast(1,'date','timestamp') => 86400000000
        pg_cast('1.50','jsonb','numeric') => 1.50
        pg_cast('1.5','jsonb','int4') => 2
        pg_cast('\"a\"','jsonb','int4') => ! 22023 cannot cast jsonb string to type integer
        pg_cast('true','jsonb','bool') => 1
        pg_cast('[\"1\",null]','int4[]','float8[]') => [\"1\",null]
        pg_cast('[\"1.5\"]','numeric[]','int4[]') => [\"2\"]
        pg_cast('0 0 90061000000','interval','time') => 3661000000
        pg_mod('1.005','numeric',10,2,0) => 1.01
        pg_mod('100','numeric',4,2,0) => ! 22003 numeric field overflow
        pg_mod('abcd','varchar',3,0,0) => ! 22001 value too long for type character varying(3)
        pg_mod('abcd','varchar',3,0,1) => abc
        pg_mod('[\"abcd\"]','varchar[]',3,0,1) => [\"abc\"]
        pg_mod(1234567,'timestamp',3,0,0) => 1235000
        pg_to_json(NULL,'int4') => null
        pg_to_json('a\"b','text') => \"a\\\"b\"
        pg_to_json(1,'bool') => true
        pg_to_json(0,'timestamptz') => \"2000-01-01T00:00:00+00:00\"
        pg_to_json('[\"1\",null]','int4[]') => [1,null]
        pg_to_json('[[\"t\"]]','bool[]') => [[true]]
        pg_in('x','nosuch') => ! XX000 unknown type code \"nosuch\"",
    );
}

#[test]
fn times() {
    check(
        "date_add(1,2) => 3
        pg_out(ts_add(0,'1 1 3600000000'),'timestamp') => 2000-02-02 01:00:00
        pg_out(ts_diff(90000000000,0),'interval') => 1 day 01:00:00
        pg_out(time_sub(3600000000,'0 0 7200000000'),'time') => 23:00:00
        pg_out(iv_mul('1 0 0',1.5),'interval') => 1 mon 15 days
        iv_div('1 0 0',0.0) => ! 22012 division by zero
        pg_extract('epoch','0 1 7200000000','interval') => 93600.000000
        pg_date_part('year',pg_in('2024-01-01','date'),'date') => 2024.0
        pg_date_part('hour',pg_in('2024-01-01','date'),'date') => 0.0
        pg_extract('hour',pg_in('2024-01-01','date'),'date') => ! 0A000 unit \"hour\" not supported for type date
        pg_out(pg_date_trunc('month',pg_in('2024-03-15 10:00','timestamp'),'timestamp'),'timestamp') => 2024-03-01 00:00:00
        pg_out(pg_date_trunc_zone('day',pg_in('2024-03-15 01:00+00','timestamptz'),'EST'),'timestamptz') => 2024-03-14 05:00:00+00
        pg_out(pg_age(pg_in('2024-03-15','timestamp'),pg_in('2023-01-20 10:00','timestamp')),'interval') => 1 year 1 mon 25 days 14:00:00
        pg_out(pg_date_bin('0 0 900000000',pg_in('2000-02-11 15:44:17','timestamp'),pg_in('2001-01-01','timestamp')),'timestamp') => 2000-02-11 15:30:00
        pg_date_bin('1 0 0',0,0) => ! 0A000 timestamps cannot be binned into intervals containing months or years
        pg_date_bin('0 0 0',0,0) => ! 22008 stride must be greater than zero
        pg_out(pg_make_interval(1,2,3,4,5,6,7.5),'interval') => 1 year 2 mons 25 days 05:06:07.5
        pg_make_date(2023,2,30) => ! 22008 date field value out of range: 2023-02-30
        pg_out(pg_epoch_to_timestamp(1284352323.5),'timestamptz') => 2010-09-13 04:32:03.5+00
        pg_epoch_to_timestamp(1e20) => ! 22008 timestamp out of range: \"1e+20\"
        pg_to_char(0,'YYYY-MM-DD HH24:MI','timestamp') => 2000-01-01 00:00
        pg_to_char('1234.5','9,999.99','numeric') =>  1,234.50
        pg_to_char(12,'FM000','int4') => 012
        pg_out(pg_to_date('05 Dec 2000','DD Mon YYYY'),'date') => 2000-12-05
        pg_isfinite(9223372036854775807,'timestamptz') => 0
        pg_to_number('12,454.8-','99G999D9S') => -12454.8
        pg_to_number('-12','S99') => -12
        pg_to_number('$1,234.50','L9,999.99') => 1234.50
        pg_to_number('','9') => ! 22P02 invalid input syntax for type numeric: \" \"",
    );
}

#[test]
fn series() {
    check(
        "series_int(1,4) => [1,2,3,4]
        series_int(4,1) => []
        series_int(4,1,-2) => [4,2]
        series_int(1,1) => [1]
        series_int(0,-1,5) => []
        series_int(1,10,0) => ! 22023 step size cannot equal zero
        series_int(1,NULL) => NULL
        series_int(9223372036854775806,9223372036854775807,1) => [9223372036854775806,9223372036854775807]
        series_int(1,100000000) => ! 54000 a series cannot have more than 10000000 rows
        series_num('1.5','3','0.5') => [\"1.5\",\"2.0\",\"2.5\",\"3.0\"]
        series_num('1','Infinity') => ! 22023 stop value cannot be infinity
        series_num('1','2','NaN') => ! 22023 step size cannot be NaN
        series_ts(0,172800000000,'0 1 43200000000','timestamp') => [\"2000-01-01 00:00:00\",\"2000-01-02 12:00:00\"]
        series_ts(0,0,'0 0 0','timestamp') => ! 22023 step size cannot equal zero",
    );
}
