//! How many dead letters each account has, by class, as they were counted last: for whoever shows them, on whatever thread.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use actors::model::AccountId;

use crate::store::LettersByClass;

/// See the module. A clone is the same.
#[derive(Clone, Debug, Default)]
pub struct LetterCounts(Arc<RwLock<HashMap<AccountId, LettersByClass>>>);

impl LetterCounts {
    /// Of this account; nothing where none were counted.
    pub fn of(&self, account: &AccountId) -> LettersByClass {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(account).cloned().unwrap_or_default()
    }

    /// These are the counts of all accounts that there are.
    pub fn replace(&self, all: HashMap<AccountId, LettersByClass>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = all;
    }

    /// These accounts have been counted anew.
    pub fn update(&self, counted: HashMap<AccountId, LettersByClass>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).extend(counted);
    }
}
