//! Who causes what happens to orders.

use uuid::Uuid;

/// By whom an event of an order was caused. Its customer reads the kind; who of the staff it was only staff read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Actor {
    /// Whoever ordered, with an account or by a secret.
    Customer,
    /// Whoever runs the shop; nobody by name where the service key was used.
    Staff(Option<Uuid>),
    /// Whoever moves the money.
    Provider,
    /// We ourselves, when a time is over.
    #[default]
    System,
}

impl Actor {
    /// As rows have it.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Actor::Customer => "customer",
            Actor::Staff(_) => "staff",
            Actor::Provider => "provider",
            Actor::System => "system",
        }
    }

    /// Who of the staff.
    pub(crate) fn staff(self) -> Option<Uuid> {
        match self {
            Actor::Staff(user) => user,
            Actor::Customer | Actor::Provider | Actor::System => None,
        }
    }
}
