//! Statements made by chance over a fixed schema, for both engines to answer alike.
//!
//! The grammar stays where Postgres's answer is determined: every query orders by all of its columns, sums of
//! floating-point numbers (whose order shows) are not asked for, and what may raise stays out of conditions,
//! whose parts may be evaluated in any order.

use crate::random::Random;

/// The tables that statements are about, and their first rows.
pub const SCHEMA: &[&str] = &[
    "create table people (id integer primary key, name text, nick varchar(8), height numeric(8,2), weight numeric, \
     score double precision, born date, seen timestamp, active boolean, visits integer, points bigint)",
    "create table orders (id integer primary key, person_id integer references people (id) on delete cascade, \
     quantity integer not null check (quantity > 0), price numeric(10,2) default 9.99, label text unique, placed date)",
    "create index on orders (person_id)",
    "insert into people values \
     (1, 'Ann', 'a', 171.50, 61.250, 0.5, '1990-02-28', '2024-01-01 10:00:00', true, 3, 10000000000), \
     (2, 'bob', 'BO', 180, 80, -1.25, '1985-12-31', '2024-02-29 23:59:59.5', false, 0, 7), \
     (3, 'Çelik', null, null, 70.10, null, null, null, null, 12, null), \
     (4, 'ann', 'x_y', 150.05, 0.000, 1e10, '2000-02-29', '1999-12-31 00:00:00', true, null, -5), \
     (5, '', '', 0, -1.5, 0, '1970-01-01', '2024-01-01 10:00:00', false, 7, 0), \
     (6, null, '100%', 199.99, null, 2.5, '2024-03-10', null, true, 3, 42)",
    "insert into orders values \
     (1, 1, 2, 19.90, 'first', '2024-01-05'), (2, 1, 1, 5, null, '2024-01-06'), (3, 2, 10, 0.01, 'b', null), \
     (4, 4, 3, null, 'B', '2023-11-30'), (5, null, 1, 100, 'no one', '2024-02-29'), (6, 6, 7, 19.90, '', '2024-01-05')",
];

/// One statement. The same state of `random` gives the same statement.
pub fn statement(random: &mut Random) -> String {
    let mut generator = Generator {
        random,
        joined: false,
    };
    match generator.random.below(21) / 2 {
        0 => generator.insert(),
        1 => generator.update(),
        2 if generator.random.chance(40) => generator.delete(),
        2 | 3 => generator.aggregate(),
        4 => generator.set_operation(),
        5 => generator.window(),
        6 => generator.subquery(),
        10 => generator.faulty(),
        _ => generator.select(),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Ty {
    Int,
    Num,
    Text,
    Bool,
    Date,
}

const TYPES: [Ty; 5] = [Ty::Int, Ty::Num, Ty::Text, Ty::Bool, Ty::Date];

struct Generator<'a> {
    random: &'a mut Random,
    /// Columns of `orders o` are in reach, beside those of `people p`.
    joined: bool,
}

impl Generator<'_> {
    fn select(&mut self) -> String {
        let from = self.from();
        let (list, order) = self.columns(4);
        let distinct = self.maybe(15, "distinct ");
        let condition = self.condition(70);
        let page = self.page();
        format!("select {distinct}{list} from {from}{condition} order by {order}{page}")
    }

    fn aggregate(&mut self) -> String {
        let from = self.from();
        let condition = self.condition(50);
        let key_type = self.ty();
        let key = self.settled(key_type, 1);
        let mut list = vec![key, "count(*)".to_owned()];
        for _ in 0..self.random.between(1, 4) {
            let aggregate = self.aggregate_call();
            list.push(aggregate);
        }
        let order = ordinals(list.len());
        if self.random.chance(25) {
            return format!("select {} from {from}{condition}", list[1..].join(", "));
        }
        let having = self.maybe(25, " having count(*) > 1");
        format!(
            "select {} from {from}{condition} group by 1{having} order by {order}",
            list.join(", ")
        )
    }

    fn aggregate_call(&mut self) -> String {
        let distinct = self.maybe(20, "distinct ");
        match self.random.below(8) {
            0 => format!("sum({distinct}{})", self.expr(Ty::Int, 1)),
            1 => format!("avg({distinct}{})", self.expr(Ty::Int, 1)),
            2 => format!("sum({})", self.expr(Ty::Num, 1)),
            3 => format!("avg({})", self.expr(Ty::Num, 1)),
            4 => format!("bool_or({})", self.expr(Ty::Bool, 1)),
            5 => {
                let text = self.expr(Ty::Text, 1);
                format!("string_agg({text}, '|' order by {text})")
            }
            6 => format!(
                "count({distinct}{}) filter (where {})",
                self.expr(Ty::Date, 1),
                self.expr(Ty::Bool, 1)
            ),
            _ => {
                let ty = self
                    .random
                    .pick(&[&Ty::Int, &Ty::Num, &Ty::Text, &Ty::Date]);
                format!(
                    "{}({})",
                    self.random.pick(&["min", "max"]),
                    self.settled(*ty, 1)
                )
            }
        }
    }

    fn set_operation(&mut self) -> String {
        let operator = self
            .random
            .pick(&["union", "union all", "intersect", "except"]);
        let types: Vec<Ty> = (0..self.random.between(1, 3)).map(|_| self.ty()).collect();
        let mut side = || {
            let from = self.from();
            let list: Vec<String> = types.iter().map(|ty| self.settled(*ty, 1)).collect();
            format!(
                "select {} from {from}{}",
                list.join(", "),
                self.condition(40)
            )
        };
        let (left, right) = (side(), side());
        format!(
            "{left} {operator} {right} order by {}",
            ordinals(types.len())
        )
    }

    fn window(&mut self) -> String {
        self.joined = false;
        let call = match self.random.below(6) {
            0 => "row_number()".to_owned(),
            1 => "rank()".to_owned(),
            2 => format!("sum({})", self.expr(Ty::Int, 1)),
            3 => format!("lag(({})::text)", self.expr(Ty::Text, 1)),
            4 => format!("first_value({})", self.expr(Ty::Num, 0)),
            _ => "count(*)".to_owned(),
        };
        let ty = self.ty();
        let partition = self.settled(ty, 0);
        let condition = self.condition(30);
        format!(
            "select p.id, {call} over (partition by {partition} order by p.id) from people p{condition} order by 1"
        )
    }

    fn subquery(&mut self) -> String {
        self.joined = false;
        let (list, order) = self.columns(2);
        match self.random.below(4) {
            0 => {
                let not = self.maybe(40, "not ");
                let test =
                    "exists (select 1 from orders o where o.person_id = p.id and o.quantity > 1)";
                format!("select {list} from people p where {not}{test} order by {order}")
            }
            1 => format!(
                "select {list} from people p where p.id in (select o.person_id from orders o) order by {order}"
            ),
            2 => {
                let count = "(select count(*) from orders o where o.person_id = p.id)";
                format!("select p.id, {count}, {list} from people p order by 1")
            }
            _ => {
                self.joined = true;
                let (inner, _) = self.columns(1);
                let inner = inner.trim_end_matches(" as c1");
                let from = "people p join orders o on o.person_id = p.id";
                format!(
                    "with w as (select p.id, {inner} as v from {from}) select id, v, count(*) from w group by id, v order by 1, 2"
                )
            }
        }
    }

    /// A value that fails for some rows, asked of one row, so that there is one fault to report.
    fn faulty(&mut self) -> String {
        let value = self.random.pick(&[
            "100 / p.visits",
            "p.weight / p.height",
            "p.name::integer",
            "p.nick::date",
            "p.name::uuid",
            "p.points::integer",
            "p.points::smallint",
            "p.height::numeric(4,2)",
            "p.name::boolean",
            "substr(p.name, 1, p.points::integer)",
            "p.points * 1000000000 * p.points",
            "(p.name)::jsonb",
        ]);
        format!(
            "select {value} from people p where p.id = {}",
            self.random.between(1, 6)
        )
    }

    fn insert(&mut self) -> String {
        let id = self.random.between(1, 40);
        self.joined = false;
        if self.random.chance(40) {
            let name = self.literal(Ty::Text);
            let (height, visits) = (self.literal(Ty::Num), self.literal(Ty::Int));
            let conflict = match self.random.below(3) {
                0 => " on conflict (id) do nothing",
                1 => {
                    " on conflict (id) do update set name = excluded.name, visits = coalesce(people.visits, 0) + 1"
                }
                _ => "",
            };
            return format!(
                "insert into people (id, name, height, visits) values ({id}, {name}, {height}, {visits}){conflict} returning *"
            );
        }
        let person = if self.random.chance(10) {
            "null".to_owned()
        } else {
            self.random.between(1, 9).to_string()
        };
        let quantity = self.random.pick(&["1", "2", "5", "0", "null"]);
        let label = self.literal(Ty::Text);
        format!(
            "insert into orders (id, person_id, quantity, label) values ({id}, {person}, {quantity}, {label}) returning *"
        )
    }

    fn update(&mut self) -> String {
        self.joined = false;
        let id = self.random.between(1, 12);
        match self.random.below(4) {
            0 => format!(
                "update people p set name = {}, height = {} where p.id = {id} returning *",
                self.expr(Ty::Text, 1),
                self.literal(Ty::Num)
            ),
            1 => format!(
                "update people p set visits = {}{}",
                self.expr(Ty::Int, 1),
                self.condition(80)
            ),
            2 => format!(
                "update orders set label = {} where id = {id} returning *",
                self.literal(Ty::Text)
            ),
            _ => format!(
                "update orders set quantity = quantity - {} where id = {id} returning id, quantity",
                self.random.between(0, 3)
            ),
        }
    }

    fn delete(&mut self) -> String {
        let id = self.random.between(1, 40);
        match self.random.below(3) {
            0 => format!("delete from people where id = {id} returning *"),
            1 => format!("delete from orders where id = {id} returning *"),
            _ => format!(
                "delete from orders o using people p where o.person_id = p.id and p.visits > {id}"
            ),
        }
    }

    fn from(&mut self) -> &'static str {
        self.joined = self.random.chance(35);
        match (self.joined, self.random.chance(50)) {
            (false, _) => "people p",
            (true, false) => "people p join orders o on o.person_id = p.id",
            (true, true) => "people p left join orders o on o.person_id = p.id",
        }
    }

    /// A select list of up to `most` columns, and the ordinals that order by all of them.
    fn columns(&mut self, most: i64) -> (String, String) {
        let count = self.random.between(1, most);
        let list: Vec<String> = (1..=count)
            .map(|number| {
                let ty = self.ty();
                format!("{} as c{number}", self.settled(ty, 2))
            })
            .collect();
        (list.join(", "), ordinals(list.len()))
    }

    /// An expression whose equal values look equal. `1.5` and `1.50` are equal, and which of them a union keeps,
    /// or which of two ties comes first, Postgres does not promise.
    fn settled(&mut self, ty: Ty, depth: u32) -> String {
        let value = self.expr(ty, depth);
        if ty == Ty::Num {
            format!("round({value}, 3)")
        } else {
            value
        }
    }

    fn condition(&mut self, percent: u64) -> String {
        if self.random.chance(percent) {
            format!(" where {}", self.expr(Ty::Bool, 2))
        } else {
            String::new()
        }
    }

    fn page(&mut self) -> String {
        if self.random.chance(20) {
            return format!(
                " limit {} offset {}",
                self.random.between(0, 5),
                self.random.between(0, 3)
            );
        }
        String::new()
    }

    fn maybe(&mut self, percent: u64, text: &'static str) -> &'static str {
        if self.random.chance(percent) {
            text
        } else {
            ""
        }
    }

    fn ty(&mut self) -> Ty {
        *self.random.pick(&TYPES.each_ref())
    }

    fn expr(&mut self, ty: Ty, depth: u32) -> String {
        if depth == 0 || self.random.chance(25) {
            return if self.random.chance(75) {
                self.column(ty)
            } else {
                self.literal(ty)
            };
        }
        let depth = depth - 1;
        if self.random.chance(12) {
            let (test, yes, no) = (
                self.expr(Ty::Bool, depth),
                self.expr(ty, depth),
                self.expr(ty, depth),
            );
            return format!("case when {test} then {yes} else {no} end");
        }
        if self.random.chance(12) {
            return format!(
                "coalesce({}, {})",
                self.expr(ty, depth),
                self.expr(ty, depth)
            );
        }
        match ty {
            Ty::Int => self.int(depth),
            Ty::Num => self.num(depth),
            Ty::Text => self.text(depth),
            Ty::Bool => self.bool(depth),
            Ty::Date => {
                format!(
                    "({} + {})",
                    self.expr(Ty::Date, depth),
                    self.random.between(-400, 400)
                )
            }
        }
    }

    fn int(&mut self, depth: u32) -> String {
        let a = self.expr(Ty::Int, depth);
        match self.random.below(9) {
            0 => format!("({a} + {})", self.expr(Ty::Int, depth)),
            1 => format!("({a} - {})", self.expr(Ty::Int, depth)),
            2 => format!("({a} * {})", self.random.between(-9, 9)),
            3 => format!("({a} / nullif({}, 0))", self.expr(Ty::Int, depth)),
            4 => format!("({a} % {})", self.random.pick(&["2", "3", "-3", "10"])),
            5 => format!("length({})", self.expr(Ty::Text, depth)),
            6 => format!(
                "({} - {})",
                self.expr(Ty::Date, depth),
                self.expr(Ty::Date, depth)
            ),
            7 => format!("greatest({a}, {})", self.expr(Ty::Int, depth)),
            _ => format!("abs({a})"),
        }
    }

    fn num(&mut self, depth: u32) -> String {
        let a = self.expr(Ty::Num, depth);
        match self.random.below(9) {
            0 => format!("({a} + {})", self.expr(Ty::Num, depth)),
            1 => format!("({a} - {})", self.expr(Ty::Int, depth)),
            2 => format!("({a} * {})", self.expr(Ty::Num, depth)),
            3 => format!("({a} / nullif({}, 0))", self.expr(Ty::Num, depth)),
            4 => format!("round({a}, {})", self.random.between(0, 3)),
            5 => format!("trunc({a}, 1)"),
            6 => format!("({})::numeric", self.expr(Ty::Int, depth)),
            7 => format!("least({a}, {})", self.expr(Ty::Num, depth)),
            _ => format!("(- {a})"),
        }
    }

    fn text(&mut self, depth: u32) -> String {
        let a = self.expr(Ty::Text, depth);
        match self.random.below(12) {
            0 => format!("({a} || {})", self.expr(Ty::Text, depth)),
            1 => format!("upper({a})"),
            2 => format!("lower({a})"),
            3 => format!(
                "substr({a}, {}, {})",
                self.random.between(-1, 3),
                self.random.between(0, 4)
            ),
            4 => format!("left({a}, {})", self.random.between(-2, 3)),
            5 => format!("replace({a}, 'n', 'NN')"),
            6 => format!("trim({a})"),
            7 => format!("({})::text", self.expr(Ty::Int, depth)),
            8 => format!("({})::text", self.expr(Ty::Num, depth)),
            9 => format!("({})::text", self.expr(Ty::Date, depth)),
            10 => format!("lpad({a}, {}, '*')", self.random.between(0, 6)),
            _ => format!("concat({a}, '-', {})", self.expr(Ty::Int, depth)),
        }
    }

    fn bool(&mut self, depth: u32) -> String {
        let ty = *self
            .random
            .pick(&[&Ty::Int, &Ty::Num, &Ty::Text, &Ty::Date]);
        match self.random.below(9) {
            0 => format!(
                "({} and {})",
                self.expr(Ty::Bool, depth),
                self.expr(Ty::Bool, depth)
            ),
            1 => format!(
                "({} or {})",
                self.expr(Ty::Bool, depth),
                self.expr(Ty::Bool, depth)
            ),
            2 => format!("(not {})", self.expr(Ty::Bool, depth)),
            3 => format!(
                "({} is{} null)",
                self.expr(ty, depth),
                self.maybe(50, " not")
            ),
            4 => format!(
                "({} is distinct from {})",
                self.expr(ty, depth),
                self.expr(ty, depth)
            ),
            5 => format!(
                "({} in ({}, {}))",
                self.expr(ty, depth),
                self.literal(ty),
                self.literal(ty)
            ),
            6 => format!(
                "({} between {} and {})",
                self.expr(ty, depth),
                self.literal(ty),
                self.literal(ty)
            ),
            7 => {
                let pattern = self.random.pick(&["'%n%'", "'a%'", "'_'", "'%\\%'", "'%'"]);
                let like = self.random.pick(&["like", "ilike", "not like"]);
                format!("({} {like} {pattern})", self.expr(Ty::Text, depth))
            }
            _ => {
                let operator = self.random.pick(&["=", "<>", "<", "<=", ">", ">="]);
                format!(
                    "({} {operator} {})",
                    self.expr(ty, depth),
                    self.expr(ty, depth)
                )
            }
        }
    }

    fn column(&mut self, ty: Ty) -> String {
        let (people, orders): (&[&str], &[&str]) = match ty {
            Ty::Int => (&["p.id", "p.visits", "p.visits"], &["o.quantity", "o.id"]),
            Ty::Num => (&["p.height", "p.weight"], &["o.price"]),
            Ty::Text => (&["p.name", "p.nick"], &["o.label"]),
            Ty::Bool => (&["p.active"], &["(o.quantity > 2)"]),
            Ty::Date => (&["p.born"], &["o.placed"]),
        };
        let from_orders = self.joined && self.random.chance(50);
        self.random
            .pick(if from_orders { orders } else { people })
            .to_owned()
    }

    fn literal(&mut self, ty: Ty) -> String {
        let choices: &[&str] = match ty {
            Ty::Int => &["0", "1", "-1", "3", "12", "100"],
            Ty::Num => &["0.0", "1.50", "-2.25", "170.00", "0.001", "99999.99"],
            Ty::Text => &["''", "'a'", "'Ann'", "'ann'", "'Zoë'", "'b''c'", "'x_y'"],
            Ty::Bool => &["true", "false", "null::boolean"],
            Ty::Date => &[
                "date '2024-02-29'",
                "date '1970-01-01'",
                "date '1999-12-31'",
            ],
        };
        self.random.pick(choices).to_owned()
    }
}

fn ordinals(count: usize) -> String {
    (1..=count)
        .map(|number| number.to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_statements() {
        let make = || {
            (0..50)
                .scan(Random::new(7), |random, _| Some(statement(random)))
                .collect::<Vec<_>>()
        };
        assert_eq!(make(), make());
    }

    #[test]
    fn every_statement_parses() {
        let mut random = Random::new(1);
        for _ in 0..2_000 {
            let sql = statement(&mut random);
            if let Err(error) = plinth_sql::parse::statement(&sql) {
                panic!("{error}\n{sql}");
            }
        }
    }
}
