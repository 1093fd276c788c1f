//! A world as a case file.

use super::difference::Seen;
use super::world::{Part, World};
use crate::outcome::Who;

/// A header by which an answer is known well enough: what its form is, the body says.
const LEFT_OUT: &str = "content-type";

/// The text of a case (see [`crate::case`]): the world, and what PostgreSQL answers to its requests. `notes` are put in front
/// as comments; `contents` are queries for the owner of the tables, with their rows as CSV.
pub fn case(
    world: &World,
    sentence: &str,
    notes: &str,
    answers: &[Seen],
    contents: &[(String, String)],
) -> String {
    let mut text = format!("{sentence}\n\n");
    for note in notes.lines() {
        text += &format!("-- {note}\n");
    }
    for part in &world.parts {
        let gap = if matches!(part, Part::Table { .. }) {
            "\n"
        } else {
            ""
        };
        text += &format!("{gap}{};\n", part.sql());
    }
    let mut who = None;
    for (request, answer) in world.requests.iter().zip(answers) {
        text += "\n";
        if who != Some(&request.who) {
            who = Some(&request.who);
            text += &format!("{}\n", caller(&request.who));
        }
        text += &format!("{} {}\n", request.method, request.target());
        for (name, value) in &request.headers {
            text += &format!("{name}: {value}\n");
        }
        if let Some(body) = request.body_text() {
            text += &format!("{body}\n");
        }
        text += &expected(answer);
    }
    if !contents.is_empty() {
        text += "\nas postgres\n";
    }
    for (sql, rows) in contents {
        text += &format!("{sql};\n");
        for row in rows.lines() {
            text += &format!("= {row}\n");
        }
    }
    text
}

/// The line that says for whom the requests after it are.
pub fn caller(who: &Who) -> String {
    let claims = who.claims.as_deref().unwrap_or_default();
    let claims: serde_json::Value = serde_json::from_str(claims).unwrap_or_default();
    let Some(subject) = claims.get("sub").and_then(|it| it.as_str()) else {
        return format!("as {}", who.role);
    };
    let mut more = claims.as_object().cloned().unwrap_or_default();
    more.retain(|name, _| !["sub", "aud", "role"].contains(&name.as_str()));
    let more = if more.is_empty() {
        String::new()
    } else {
        format!(" {}", serde_json::Value::Object(more))
    };
    format!("as {} {subject}{more}", who.role)
}

fn expected(answer: &Seen) -> String {
    let is_json = serde_json::from_str::<serde_json::Value>(&answer.body).is_ok();
    let mut text = match (is_json, answer.body.as_str()) {
        (true, body) => format!("{} {body}\n", answer.status),
        (false, _) => format!("{}\n", answer.status),
    };
    for (name, value) in &answer.headers {
        if name != LEFT_OUT {
            text += &format!("{name}: {value}\n");
        }
    }
    if !is_json {
        for line in answer.body.lines() {
            text += &format!("= {line}\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::world::world;
    use super::*;
    use crate::case::{Act, parse};

    #[test]
    fn the_text_of_a_world_is_a_case() {
        let answer = Seen {
            status: 200,
            headers: vec![("content-range".to_owned(), "*/*".to_owned())],
            body: "[]".to_owned(),
        };
        for seed in 0..20 {
            let world = world(seed, 10);
            let answers = vec![answer.clone(); 10];
            let text = case(&world, "A fact.", "one\ntwo", &answers, &[]);
            let case = parse(&text).unwrap();
            let requests: Vec<_> = case
                .steps
                .iter()
                .filter_map(|step| match &step.act {
                    Act::Request(request) => Some((&step.who, request)),
                    Act::Sql(_) => None,
                })
                .collect();
            assert_eq!(requests.len(), 10, "{text}");
            assert_eq!(case.steps.len() - 10, world.parts.len(), "{text}");
            for ((who, found), made) in requests.into_iter().zip(&world.requests) {
                assert_eq!(found.path, made.target());
                assert_eq!(found.body, made.body_text());
                assert_eq!(found.headers, made.headers);
                assert_eq!(who.role, made.who.role);
            }
        }
    }
}
