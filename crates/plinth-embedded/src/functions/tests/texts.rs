//! Texts, digests, patterns.

use super::check;

#[test]
fn texts() {
    check(
        "pg_lower('ÀB') => àb
        pg_upper('straße') => STRAßE
        pg_initcap('hello wORLD-x') => Hello World-X
        pg_substr('abc',0,2) => a
        pg_substr('abc',1,-1) => ! 22011 negative substring length not allowed
        pg_bytes_substr(x'616263646566',2,3) => \\x626364
        pg_left('abc',-1) => ab
        pg_lpad('abc',5,'xy') => xyabc
        pg_btrim('xxaxx','x') => a
        pg_replace('aaa','a','bb') => bbbbbb
        pg_split_part('a,b,c',',',-1) => c
        pg_strpos('abc','b') => 2
        pg_string_to_array('a,b,,c',',') => [\"a\",\"b\",\"\",\"c\"]
        pg_string_to_array('abc',NULL) => [\"a\",\"b\",\"c\"]
        pg_string_to_array('',',') => []
        pg_string_to_array('a,b',',','b') => [\"a\",null]
        pg_concat('text','int4','text','bool','int4[]','a',1,NULL,1,'[\"1\",\"2\"]') => a1t{1,2}
        length(pg_concat()) => 0
        pg_concat_ws(',','text','text','bool','a',NULL,1) => a,t
        pg_format('%s %I %L %1$s|%5s|%%','text','text','text','text','a b','x y','it''s','q') => a b \"x y\" 'it''s' a b|  x y|%
        pg_quote_literal('a\\b') => E'a\\\\b'
        pg_quote_nullable(NULL) => NULL
        pg_md5('abc') => 900150983cd24fb0d6963f7d28e17f72
        pg_digest('abc','sha1') => \\xa9993e364706816aba3e25717850c26c9cd0d89d
        pg_digest(x'616263','sha256') => \\xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
        pg_digest('a','foo') => ! 22023 Cannot use \"foo\": No such hash algorithm
        pg_hmac('abc','key','sha256') => \\x9c196e32dc0175f86f4b1cb89289d6619de6bee699e4c378e68309ed97a1a6ab
        pg_hmac('a',pg_repeat('k',200),'md5') => \\x6b826f9e3672155600cf826eac32f264
        pg_encode(x'000180ff41','escape') => \\000\u{1}\\200\\377A
        pg_encode('abc','base64') => YWJj
        pg_decode(' YWJj','base64') => \\x616263
        pg_decode('YW!j','base64') => ! 22023 invalid symbol \"!\" found while decoding base64 sequence
        pg_decode('YWJ','base64') => ! 22023 invalid base64 end sequence
        pg_encode('abc','foo') => ! 22023 unrecognized encoding: \"foo\"
        pg_convert_from(x'ff','UTF8') => ! 22021 invalid byte sequence for encoding \"UTF8\": 0xff
        pg_size_pretty(10752) => 11 kB",
    );
}

#[test]
fn patterns() {
    check(
        "pg_like('abc','a%') => 1
        pg_like('abc','A%') => 0
        pg_ilike('abc','A_C') => 1
        pg_like('a%c','a!%c','!') => 1
        pg_like('abc','a\\') => ! 22025 LIKE pattern must not end with escape character
        pg_like('abc','a','xx') => ! 22025 invalid escape string
        pg_similar('x','(x|y)') => 1
        pg_similar('abc','b') => 0
        pg_regex('foo bar','\\mbar',0) => 1
        pg_regex('ABC','b',1) => 1
        pg_regex('a<b','<',0) => 1
        pg_regex('ab','a<',0) => 0
        pg_regex('abc','(',0) => ! 2201B invalid regular expression: parentheses () not balanced
        pg_regex('abc','[',0) => ! 2201B invalid regular expression: brackets [] not balanced
        pg_regex('abc','*',0) => ! 2201B invalid regular expression: quantifier operand invalid
        pg_regex('abc','[z-a]',0) => ! 2201B invalid regular expression: invalid character range
        pg_regex('abc','(((a{200}){200}){200})',0) => ! 2201B invalid regular expression: regular expression is too complex
        pg_regexp_match('foobarbequebaz','(bar)(beque)') => [\"bar\",\"beque\"]
        pg_regexp_match('foo','x') => NULL
        pg_regexp_match('abc','(x)?b') => [null]
        pg_regexp_match('abc','b','g') => ! 22023 regexp_match() does not support the \"global\" option
        pg_regexp_matches('foobarbequebazilbarfbonk','(b[^b]+)(b[^b]+)','g') => [\"{bar,beque}\",\"{bazil,barf}\"]
        pg_regexp_split('hello world','\\s+') => [\"hello\",\"world\"]
        pg_regexp_split('abc','') => [\"a\",\"b\",\"c\"]
        pg_regexp_split('abc','b*') => [\"a\",\"c\"]
        pg_regexp_split(',a,',',') => [\"\",\"a\",\"\"]
        pg_regexp_replace('abc','b*','X','g') => XaXXcX
        pg_regexp_replace('foobarbaz','b..','X','') => fooXbaz
        pg_regexp_replace('foobarbaz','b(..)','X\\1Y','g') => fooXarYXazY
        pg_regexp_replace_from('foobarbaz','b..','X',1,2) => foobarX
        pg_regexp_replace_from('foobarbaz','b..','X',5) => foobarX
        pg_regexp_replace('abc','b','X','z') => ! 22023 invalid regular expression option: \"z\"
        pg_regexp_count('abab','a') => 2
        pg_regexp_instr('abab','b') => 2
        pg_regexp_substr('abcabc','b.') => bc
        pg_substring_regex('foobar','o(.)b') => o
        pg_substring_regex('foobar','o.b') => oob
        pg_substring_similar('foobar','%#\"o_b#\"%','#') => oob",
    );
}
