use super::*;

#[test]
fn a_seed_always_tells_the_same() {
    for seed in 0..20 {
        assert_eq!(run(seed, None), run(seed, None));
    }
}
