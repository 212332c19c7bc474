//! Pairs as a Markdown table: medians, the median of the ratios and their range.

use super::Pair;

/// What a measurement is called, and what is told of it.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Name in the generator's figures, and what it is.
    pub(crate) figures: &'static [(&'static str, &'static str)],
}

/// Its first two lines; `other` is who ours is measured beside.
pub(crate) fn head(other: &str) -> String {
    format!("| | figure | ours | {other} | ratio (range) | pairs |\n|---|---|---|---|---|---|")
}

/// The lines of one measurement: one for each figure, the first with its name.
pub(crate) fn lines(row: &Row, pairs: &[Pair]) -> String {
    let names = std::iter::once(row.name).chain(std::iter::repeat(""));
    let figures = row.figures.iter().zip(names).map(|((figure, what), name)| {
        let of = |pick: fn(&Pair) -> Option<&crate::lab::Figures>| -> Vec<f64> {
            let figures = pairs.iter().filter_map(pick);
            figures.filter_map(|f| f.get(*figure).copied()).collect()
        };
        let (ours, theirs) = (of(|pair| Some(&pair.0)), of(|pair| pair.1.as_ref()));
        let ratios = ratios(pairs, figure);
        format!(
            "| {name} | {what} | {} | {} | {} | {} |",
            median(&ours).map_or_else(missing, number),
            median(&theirs).map_or_else(missing, number),
            range(&ratios).unwrap_or_else(missing),
            ratios
                .len()
                .max(if theirs.is_empty() { ours.len() } else { 0 }),
        )
    });
    figures.collect::<Vec<_>>().join("\n")
}

/// One pair, to be read while more are under way.
pub(crate) fn line(row: &Row, (ours, theirs): &Pair) -> String {
    let figures = row.figures.iter().map(|(name, what)| {
        let shown = |figures: Option<&crate::lab::Figures>| {
            let value = figures.and_then(|f| f.get(*name).copied());
            value.map_or_else(missing, number)
        };
        format!("{what} {} : {}", shown(Some(ours)), shown(theirs.as_ref()))
    });
    figures.collect::<Vec<_>>().join("; ")
}

fn ratios(pairs: &[Pair], name: &str) -> Vec<f64> {
    let both = pairs.iter().filter_map(|(ours, theirs)| {
        let (ours, theirs) = (ours.get(name)?, theirs.as_ref()?.get(name)?);
        (*theirs > 0.0).then(|| ours / theirs)
    });
    both.collect()
}

fn range(ratios: &[f64]) -> Option<String> {
    let least = ratios.iter().copied().reduce(f64::min)?;
    let most = ratios.iter().copied().reduce(f64::max)?;
    let middle = median(ratios)?;
    Some(format!("**{middle:.2}** ({least:.2}-{most:.2})"))
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.get(sorted.len() / 2)?;
    let lower = sorted.get(sorted.len().saturating_sub(1) / 2)?;
    Some((upper + lower) / 2.0)
}

/// Three digits that mean something.
fn number(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

fn missing() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Figures;

    fn pair(ours: f64, theirs: Option<f64>) -> Pair {
        let figures = |value| Figures::from([("x".to_owned(), value)]);
        (figures(ours), theirs.map(figures))
    }

    #[test]
    fn the_ratio_is_the_median_of_the_pairs_and_not_the_ratio_of_the_medians() {
        let pairs = [
            pair(1.0, Some(10.0)),
            pair(9.0, Some(10.0)),
            pair(4.0, Some(5.0)),
        ];
        let ratios = ratios(&pairs, "x");
        assert_eq!(range(&ratios).as_deref(), Some("**0.80** (0.10-0.90)"));
    }

    #[test]
    fn ours_alone_has_no_ratio() {
        assert_eq!(range(&ratios(&[pair(1.0, None)], "x")), None);
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0]), Some(2.0));
    }
}
