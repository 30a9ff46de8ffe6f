//! Cutting a failing run down to the few steps that matter.

/// Removes steps while the rest still fails, in at most `tries` attempts: first the tail, then ever smaller pieces.
pub async fn shrink<T: Clone>(
    steps: Vec<T>,
    tries: usize,
    mut fails: impl AsyncFnMut(&[T]) -> bool,
) -> Vec<T> {
    let mut left = tries;
    let mut steps = shorten(steps, &mut left, &mut fails).await;
    let mut piece = steps.len() / 2;
    while piece > 0 && left > 0 {
        let mut start = 0;
        while start < steps.len() && left > 0 {
            let end = (start + piece).min(steps.len());
            let rest = [&steps[..start], &steps[end..]].concat();
            left -= 1;
            if fails(&rest).await {
                steps = rest;
            } else {
                start = end;
            }
        }
        piece /= 2;
    }
    steps
}

/// Finds a short failing prefix by halving.
async fn shorten<T: Clone>(
    mut steps: Vec<T>,
    left: &mut usize,
    fails: &mut impl AsyncFnMut(&[T]) -> bool,
) -> Vec<T> {
    while steps.len() > 1 && *left > 0 {
        let half = &steps[..steps.len() / 2];
        *left -= 1;
        if !fails(half).await {
            break;
        }
        steps.truncate(steps.len() / 2);
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_steps_that_matter_remain() {
        let steps: Vec<u32> = (0..100).collect();
        let fails = async |rest: &[u32]| rest.contains(&17) && rest.contains(&71);
        assert_eq!(shrink(steps, 500, fails).await, [17, 71]);
    }

    #[tokio::test]
    async fn the_budget_bounds_the_attempts() {
        let mut attempts = 0;
        let fails = async |_: &[u32]| {
            attempts += 1;
            false
        };
        let steps: Vec<u32> = (0..100).collect();
        assert_eq!(shrink(steps.clone(), 10, fails).await, steps);
        assert_eq!(attempts, 10);
    }
}
