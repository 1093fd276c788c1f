//! Plans, kept by the shape of their requests.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use plinth_db::Catalog;

/// Templates that are kept, of some 8 KiB each.
const KEPT: usize = 1024;

/// The templates of one kind that were made with one catalog.
pub(crate) struct Templates<T>(RwLock<Kept<T>>);

struct Kept<T> {
    /// Held, so that no other catalog can come to stand at its address.
    catalog: Arc<Catalog>,
    by_shape: HashMap<String, Arc<T>>,
}

impl<T> Default for Templates<T> {
    fn default() -> Templates<T> {
        Templates(RwLock::new(Kept {
            catalog: Arc::default(),
            by_shape: HashMap::new(),
        }))
    }
}

impl<T> Templates<T> {
    /// The template of a shape, by the shape's key.
    pub(crate) fn find(&self, catalog: &Arc<Catalog>, key: &str) -> Option<Arc<T>> {
        let kept = self.0.read().ok()?;
        if !Arc::ptr_eq(&kept.catalog, catalog) {
            return None;
        }
        kept.by_shape.get(key).cloned()
    }

    /// Keeps a template. One that was made with an older catalog than the others' is not kept.
    pub(crate) fn keep(&self, catalog: &Arc<Catalog>, key: String, template: Arc<T>) {
        let Ok(mut kept) = self.0.write() else { return };
        if !Arc::ptr_eq(&kept.catalog, catalog) {
            if catalog.version < kept.catalog.version {
                return;
            }
            *kept = Kept {
                catalog: Arc::clone(catalog),
                by_shape: HashMap::new(),
            };
        }
        if kept.by_shape.len() >= KEPT {
            // Shapes are few in an application; starting over needs no bookkeeping of use.
            kept.by_shape.clear();
        }
        kept.by_shape.insert(key, template);
    }
}
