//! Windows and the order of rows.

use crate::ast::{Frame, FrameBound, FrameUnits, OrderBy, WindowSpec};
use crate::print::Printer;

impl Printer {
    pub(in crate::print) fn window_spec(&mut self, spec: &WindowSpec) {
        let mut gap = "";
        self.text("(");
        if let Some(base) = &spec.base {
            self.ident(base);
            gap = " ";
        }
        if !spec.partition_by.is_empty() {
            self.text(gap);
            self.text("PARTITION BY ");
            self.list(&spec.partition_by, Printer::expr);
            gap = " ";
        }
        if !spec.order_by.is_empty() {
            self.text(gap);
            self.text("ORDER BY ");
            self.order_by(&spec.order_by);
            gap = " ";
        }
        if let Some(frame) = &spec.frame {
            self.text(gap);
            self.frame(frame);
        }
        self.text(")");
    }

    fn frame(&mut self, frame: &Frame) {
        self.text(match frame.units {
            FrameUnits::Rows => "ROWS ",
            FrameUnits::Range => "RANGE ",
            FrameUnits::Groups => "GROUPS ",
        });
        match &frame.end {
            None => self.frame_bound(&frame.start),
            Some(end) => {
                self.text("BETWEEN ");
                self.frame_bound(&frame.start);
                self.text(" AND ");
                self.frame_bound(end);
            }
        }
        if let Some(exclude) = &frame.exclude {
            self.text(" EXCLUDE ");
            self.text(exclude);
        }
    }

    fn frame_bound(&mut self, bound: &FrameBound) {
        match bound {
            FrameBound::UnboundedPreceding => self.text("UNBOUNDED PRECEDING"),
            FrameBound::Preceding(by) => {
                self.operand(by);
                self.text(" PRECEDING");
            }
            FrameBound::CurrentRow => self.text("CURRENT ROW"),
            FrameBound::Following(by) => {
                self.operand(by);
                self.text(" FOLLOWING");
            }
            FrameBound::UnboundedFollowing => self.text("UNBOUNDED FOLLOWING"),
        }
    }

    pub(in crate::print) fn order_by(&mut self, keys: &[OrderBy]) {
        self.list(keys, |p, key| {
            p.expr(&key.expr);
            p.direction(key);
        });
    }

    pub(in crate::print) fn direction(&mut self, key: &OrderBy) {
        self.flag(key.descending, " DESC");
        match key.nulls_first {
            None => {}
            Some(true) => self.text(" NULLS FIRST"),
            Some(false) => self.text(" NULLS LAST"),
        }
    }
}
