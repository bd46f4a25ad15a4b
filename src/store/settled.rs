//! What runs have done already of the campaigns that pages have shown them: one statement for the pages of all runs that
//! ask, and one for each replay.

use std::borrow::Cow;
use std::collections::HashMap;

use actors::model::{CampaignId, SettledBy, SettledCampaign};
use actors::ports::Question;
use tokio_postgres::types::ToSql;

use super::session::Session;
use super::{Failure, count, dead_letters, storable};

/// The primary keys find the few ids of a page; `run_id` is then compared on the rows. What the process before had given
/// up on is not settled. `OFFSET 0` has each id looked up by itself: as a join, a plan that was made while a table was small
/// reads all of it for each page, and a connection keeps its plans until the table is next analyzed.
const SETTLED: &str = "\
WITH asked AS MATERIALIZED (
    SELECT n, t.account_id, t.run_id, t.numbered_below, t.run_epoch, asked.id
    FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::bigint[]) WITH ORDINALITY
      AS t (account_id, run_id, numbered_below, run_epoch, n)
    JOIN unnest($5::bigint[], $6::text[]) AS asked (n, id) USING (n)
)
SELECT n, c.id, CASE WHEN c.run_number < numbered_below THEN c.run_number END
FROM asked CROSS JOIN LATERAL (
    SELECT id, run_id, run_number FROM campaigns WHERE account_id = asked.account_id AND id = asked.id OFFSET 0) c
WHERE c.run_id = asked.run_id
UNION ALL
SELECT n, d.campaign_id, NULL
FROM asked CROSS JOIN LATERAL (
    SELECT campaign_id, run_id, run_epoch FROM dead_letters
    WHERE account_id = asked.account_id AND campaign_id = asked.id OFFSET 0) d
WHERE d.run_id = asked.run_id AND d.run_epoch = asked.run_epoch";

/// An answer for each question, in their order.
pub(super) async fn settled(
    session: &mut Session,
    questions: &[Question],
) -> Result<Vec<Vec<SettledCampaign>>, Failure> {
    let asked: Vec<Asked<'_>> = questions.iter().map(Asked::new).collect();
    let mut answers = vec![vec![]; questions.len()];
    let (replays, syncs): (Vec<usize>, Vec<usize>) =
        (0..asked.len()).partition(|index| asked[*index].question.run.replay.is_some());
    if !syncs.is_empty() {
        let statement = session.prepared(SETTLED).await?;
        let runs = || syncs.iter().map(|index| &*asked[*index].question.run);
        let ids =
            || (1..).zip(&syncs).flat_map(|(n, index)| asked[*index].by_stored.keys().map(move |id| (n, id)));
        let parameters: [&(dyn ToSql + Sync); 6] = [
            &runs().map(|run| run.account.as_str()).collect::<Vec<_>>(),
            &runs().map(|run| run.id).collect::<Vec<_>>(),
            &runs().map(|run| count(run.numbered_below)).collect::<Vec<_>>(),
            &runs().map(|run| run.epoch).collect::<Vec<_>>(),
            &ids().map(|(n, _)| n).collect::<Vec<i64>>(),
            &ids().map(|(_, id)| &**id).collect::<Vec<&str>>(),
        ];
        for row in session.client.query(&statement, &parameters).await? {
            let index = usize::try_from(row.get::<_, i64>(0) - 1).ok().and_then(|n| syncs.get(n));
            let Some(index) = index else { continue };
            let number = row.get::<_, Option<i64>>(2).and_then(|number| u64::try_from(number).ok());
            let by = number.map_or(SettledBy::ThisProcess, |number| SettledBy::EarlierProcess { number });
            answers[*index].extend(asked[*index].settled(row.get(1), by));
        }
    }
    for index in replays {
        let Question { run, .. } = asked[index].question;
        let Some(replay) = &run.replay else { continue };
        let ids: Vec<_> = asked[index].by_stored.keys().collect();
        for row in dead_letters::settled(session, run, replay, &ids).await? {
            let by = if row.get(1) { SettledBy::ThisProcess } else { SettledBy::NotToReplay };
            answers[index].extend(asked[index].settled(row.get(0), by));
        }
    }
    Ok(answers)
}

/// A question, and its ids as the tables have them: a dead letter's may not stand there as the platform wrote it.
struct Asked<'a> {
    question: &'a Question,
    by_stored: HashMap<Cow<'a, str>, &'a CampaignId>,
}

impl<'a> Asked<'a> {
    fn new(question: &'a Question) -> Self {
        Self { question, by_stored: question.ids.iter().map(|id| (storable::id(id.as_str()), id)).collect() }
    }

    fn settled(&self, stored: &str, by: SettledBy) -> Option<SettledCampaign> {
        Some(SettledCampaign { id: (*self.by_stored.get(stored)?).clone(), by })
    }
}
