//! The share of its limit that an account used in each minute of the last hour, as a small picture.

use std::fmt::Write;

use maud::{Markup, html};

use crate::serve::live::{HOUR, Hour};

/// A minute is one wide, all of the limit this high.
const HEIGHT: i32 = 20;

pub(super) fn chart(hour: &Hour) -> Markup {
    let most = hour.iter().copied().fold(0.0, f32::max);
    let says = if most > 0.0 {
        format!(
            "at most {} of its limit in a minute of the last hour, {} now",
            percent(most),
            percent(hour[HOUR - 1])
        )
    } else {
        "nothing in the last hour, or since the service began".to_owned()
    };
    html! {
        svg .chart viewBox={ "0 0 " (HOUR) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(says) {
            title { (says) }
            @if most > 0.0 { path d=(outline(hour)); }
        }
    }
}

fn percent(share: f32) -> String {
    // Something is not nothing.
    let percent = if share > 0.0 { (share * 100.0).max(1.0) } else { 0.0 };
    format!("{percent:.0} %")
}

/// From the ground over the minutes and back: neighbours that are alike are one step.
fn outline(hour: &Hour) -> String {
    let mut path = format!("M0 {HEIGHT}");
    let mut at = HEIGHT;
    for (minute, share) in hour.iter().enumerate() {
        let rise = (share * HEIGHT as f32).round() as i32;
        let y = HEIGHT - if *share > 0.0 { rise.max(1) } else { 0 };
        if y != at {
            // Writing to a string cannot fail.
            let _ = write!(path, "H{minute}V{y}");
            at = y;
        }
    }
    let _ = write!(path, "H{HOUR}V{HEIGHT}Z");
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_become_steps_and_whatever_is_used_can_be_seen() {
        let mut hour = [0.0; HOUR];
        hour[10..20].fill(0.5);
        hour[20] = 0.001;
        hour[HOUR - 1] = 1.0;
        assert_eq!(outline(&hour), "M0 20H10V10H20V19H21V20H59V0H60V20Z");
        let drawn = chart(&hour).into_string();
        assert!(
            drawn.contains("at most 100 % of its limit in a minute of the last hour, 100 % now"),
            "{drawn}"
        );
    }

    #[test]
    fn an_hour_without_a_request_has_nothing_drawn() {
        let drawn = chart(&[0.0; HOUR]).into_string();
        assert!(drawn.contains("nothing in the last hour") && !drawn.contains("<path"), "{drawn}");
    }
}
