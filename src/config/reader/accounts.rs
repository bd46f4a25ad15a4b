//! Which accounts are meant, and whose table is a layer.

use actors::model::AccountId;

use super::{Reader, Selected, given};
use crate::config::file::Table;
use crate::config::likeness;
use crate::config::problem::Problem;
use crate::config::setting;
use crate::config::source::{Found, Source};
use crate::config::text;

impl Reader<'_> {
    /// The accounts that are meant, in the order of the file: those that are named, else all. Where the file has none, the
    /// one of flags and environment. Empty where something is wrong with them.
    pub(in crate::config) fn select(&mut self, flags: &[String]) -> Vec<Selected> {
        if self.file.is_unreadable {
            return Vec::new();
        }
        if !self.file.names_accounts {
            if flags.len() > 1 {
                self.refuse(Problem::Wrong {
                    setting: setting::ACCOUNT.flag.to_owned(),
                    at: Source::Flag(setting::ACCOUNT.flag),
                    value: None,
                    allowed: "one account where no configuration file has [[accounts]]".to_owned(),
                });
                return Vec::new();
            }
            return vec![Selected::OfFlags];
        }
        let wanted = self.wanted(flags);
        let unknown: Vec<Problem> = wanted
            .iter()
            .filter(|found| self.file.accounts.iter().all(|account| account.id.as_str() != found.value))
            .map(|found| self.no_such_account(found))
            .collect();
        unknown.into_iter().for_each(|problem| self.refuse(problem));
        let is_wanted =
            |id: &AccountId| wanted.is_empty() || wanted.iter().any(|found| found.value == id.as_str());
        let selected = self.file.accounts.iter().enumerate().filter(|(_, account)| is_wanted(&account.id));
        selected.map(|(number, _)| Selected::OfFile(number)).collect()
    }

    /// The table of this account is a layer from now on. Its id, where that is right.
    pub(in crate::config) fn turn_to(&mut self, selected: Selected, flags: &[String]) -> Option<AccountId> {
        match selected {
            Selected::OfFile(number) => {
                self.account = Some(number);
                self.file.accounts.get(number).map(|account| account.id.clone())
            }
            Selected::OfFlags => {
                self.account = None;
                self.optional(&setting::ACCOUNT, flags.first().map(String::as_str), text::account)
            }
        }
    }

    /// One login for several accounts is a slip where one of them has its own.
    pub(in crate::config) fn refuse_one_login_for_all(
        &mut self,
        selected: &[Selected],
        api_url: Option<&str>,
        email: Option<&str>,
    ) {
        if selected.len() < 2 {
            return;
        }
        let source = |found: Option<Found>| found.map(|found| found.source);
        let settings = [(&setting::API_URL, api_url), (&setting::EMAIL, email)].map(|(setting, flag)| {
            let stated = self.stated(selected, |table| table.value(setting).map(|found| &found.source));
            (setting.flag, source(given(setting, flag, self.environment)), stated)
        });
        let secret = &setting::PASSWORD;
        let stated = self.stated(selected, |table| table.secret(secret).map(|(_, at)| at));
        let (one, other) = self.of_environment(secret).unwrap_or_default();
        let password = (secret.name, source(one.or(other)), stated);
        for (setting, given, stated) in settings.into_iter().chain([password]) {
            if let (Some(given), Some(stated)) = (given, stated) {
                self.refuse(Problem::OneLoginForAll { setting, given, stated });
            }
        }
    }

    fn stated(&self, selected: &[Selected], of: impl Fn(&Table) -> Option<&Source>) -> Option<Source> {
        selected.iter().find_map(|selected| of(self.table(*selected)?).cloned())
    }

    fn wanted(&self, flags: &[String]) -> Vec<Found> {
        if !flags.is_empty() {
            let found =
                |flag: &String| Found { value: flag.clone(), source: Source::Flag(setting::ACCOUNT.flag) };
            return flags.iter().map(found).collect();
        }
        let Some(Found { value, source }) = given(&setting::ACCOUNT, None, self.environment) else {
            return Vec::new();
        };
        let found = |id: &str| Found { value: id.trim().to_owned(), source: source.clone() };
        value.split(',').map(found).collect()
    }

    fn no_such_account(&self, Found { value, source }: &Found) -> Problem {
        let ids = self.file.accounts.iter().map(|account| account.id.as_str());
        let nearest =
            likeness::nearest(value, ids).map(|id| format!(" (the nearest is {id})")).unwrap_or_default();
        Problem::Wrong {
            setting: setting::ACCOUNT.flag.to_owned(),
            at: source.clone(),
            value: Some(value.clone()),
            allowed: format!("an account of {}{nearest}", self.file.path),
        }
    }
}
