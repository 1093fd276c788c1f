//! Views.

use crate::ast::CreateView;
use crate::print::Printer;

impl Printer {
    pub(in crate::print) fn create_view(&mut self, view: &CreateView) {
        self.text("CREATE ");
        self.flag(view.or_replace, "OR REPLACE ");
        self.flag(view.temporary, "TEMPORARY ");
        self.flag(view.materialized, "MATERIALIZED ");
        self.text("VIEW ");
        self.name(&view.name);
        self.column_list(&view.columns);
        if !view.options.is_empty() {
            self.text(" WITH ");
            self.options(&view.options);
        }
        self.text(" AS ");
        self.query(&view.query);
        self.flag(view.check_option, " WITH CHECK OPTION");
    }
}
