//! The smallest part of what was removed without which a test fails.
//!
//! The removed paths come in groups. A group is needed if the test fails without it although all groups
//! before it are back: so the shortest run of groups from the beginning with which the test passes ends in
//! a needed one. It is found by halving, put back for good, and the search goes on before it. Then the
//! files of the groups found are searched in the same way. Each needed group costs about log2(n) tests.

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bisection<T> {
    /// What must come back.
    pub needed: Vec<T>,
    /// How often the test was run.
    pub tests: usize,
    /// The search was given up before its end: `needed` is all that was not yet excluded.
    pub is_cut_off: bool,
}

/// Finds the units that `passes` needs: it is asked whether the test passes with these units put back. With
/// all of them it passes. Ends after `limit` tests at the latest.
///
/// # Errors
/// What `passes` gives.
pub fn missing<T: Clone, E>(
    units: &[T],
    limit: usize,
    mut passes: impl FnMut(&[T]) -> Result<bool, E>,
) -> Result<Bisection<T>, E> {
    let mut found: Vec<T> = vec![];
    let mut tests = 0;
    let mut end = units.len();
    let mut passes_with = |count: usize, found: &[T], tests: &mut usize| {
        *tests += 1;
        let back: Vec<T> = found.iter().chain(&units[..count]).cloned().collect();
        passes(&back)
    };
    while end > 0 && !passes_with(0, &found, &mut tests)? {
        // With `high` units from the beginning it passes, with `low` it does not.
        let (mut low, mut high) = (0, end);
        while high - low > 1 {
            if tests >= limit {
                found.extend(units[..high].iter().cloned());
                return Ok(Bisection {
                    needed: found,
                    tests,
                    is_cut_off: true,
                });
            }
            let middle = low + (high - low) / 2;
            match passes_with(middle, &found, &mut tests)? {
                true => high = middle,
                false => low = middle,
            }
        }
        found.push(units[high - 1].clone());
        end = high - 1;
    }
    Ok(Bisection {
        needed: found,
        tests,
        is_cut_off: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_what_is_needed_is_found() {
        let units: Vec<u32> = (0..1000).collect();
        for wanted in [vec![], vec![0], vec![999], vec![3, 500, 501, 998]] {
            let passes = |back: &[u32]| Ok::<_, ()>(wanted.iter().all(|unit| back.contains(unit)));
            let mut found = missing(&units, 1000, passes).unwrap();
            found.needed.sort_unstable();
            assert_eq!(found.needed, wanted);
            assert!(found.tests <= 1 + wanted.len() * 12, "{}", found.tests);
        }
    }

    #[test]
    fn a_search_that_takes_too_long_ends_on_the_safe_side() {
        let units: Vec<u32> = (0..1000).collect();
        let passes = |back: &[u32]| Ok::<_, ()>(back.contains(&700) && back.contains(&10));
        let found = missing(&units, 5, passes).unwrap();
        assert!(found.is_cut_off && found.needed.contains(&700) && found.needed.contains(&10));
    }

    #[test]
    fn a_failure_of_the_test_itself_is_passed_on() {
        assert_eq!(missing(&[1, 2], 9, |_| Err::<bool, _>("no")), Err("no"));
    }
}
