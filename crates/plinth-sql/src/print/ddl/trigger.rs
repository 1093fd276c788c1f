//! Triggers.

use crate::ast::{CreateTrigger, TriggerEvent, TriggerTiming};
use crate::print::Printer;

impl Printer {
    pub(in crate::print) fn create_trigger(&mut self, trigger: &CreateTrigger) {
        self.text("CREATE ");
        self.flag(trigger.or_replace, "OR REPLACE ");
        self.flag(trigger.constraint, "CONSTRAINT ");
        self.named("TRIGGER ", &trigger.name);
        self.text(match trigger.timing {
            TriggerTiming::Before => " BEFORE ",
            TriggerTiming::After => " AFTER ",
            TriggerTiming::InsteadOf => " INSTEAD OF ",
        });
        for (place, event) in trigger.events.iter().enumerate() {
            self.flag(place > 0, " OR ");
            match event {
                TriggerEvent::Insert => self.text("INSERT"),
                TriggerEvent::Update(columns) => {
                    self.text("UPDATE");
                    if !columns.is_empty() {
                        self.text(" OF ");
                        self.idents(columns);
                    }
                }
                TriggerEvent::Delete => self.text("DELETE"),
                TriggerEvent::Truncate => self.text("TRUNCATE"),
            }
        }
        self.text(" ON ");
        self.name(&trigger.table);
        self.deferrable(trigger.deferrable);
        self.flag(
            trigger.old_table.is_some() || trigger.new_table.is_some(),
            " REFERENCING",
        );
        if let Some(name) = &trigger.old_table {
            self.named(" OLD TABLE AS ", name);
        }
        if let Some(name) = &trigger.new_table {
            self.named(" NEW TABLE AS ", name);
        }
        self.text(if trigger.for_each_row {
            " FOR EACH ROW"
        } else {
            " FOR EACH STATEMENT"
        });
        self.in_parens(" WHEN ", trigger.when.as_ref());
        self.text(" EXECUTE FUNCTION ");
        self.name(&trigger.function);
        self.parens(&trigger.args, |p, arg| p.literal(arg));
    }
}
