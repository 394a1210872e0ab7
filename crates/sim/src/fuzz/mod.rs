//! Row `fuzz`: valid encodings of small values, changed at random, through every decoder.
//!
//! [`targets`] says what is decoded and what is then done with it; `fuzz/` at the repository's root hands the same targets to
//! libFuzzer. Input number `i` of seed `s` is the first input of seed `s + i`, so that one that fails has a seed of its own.

mod corpus;
mod driver;
mod mutate;
pub mod targets;

use std::fs;
use std::process::ExitCode;

use driver::Plan;
use targets::TARGETS;

/// For so long where neither a time nor a number of inputs is given.
const SECONDS: u64 = 50;

const USAGE: &str = "usage: fuzz [--count N | --seconds N] [--seed S] [--target NAME]  or  fuzz --corpus FOLDER  or  \
                     fuzz --target NAME --input FILE  or  fuzz --target NAME --seed S --save FILE";

/// The row, with the arguments behind its name.
pub fn main(arguments: &[String]) -> ExitCode {
    match asked(arguments).and_then(run) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

/// What the arguments ask for.
#[derive(Default)]
struct Asked {
    plan: Plan,
    corpus: Option<String>,
    input: Option<String>,
    save: Option<String>,
}

fn asked(arguments: &[String]) -> Result<Asked, String> {
    let mut asked = Asked::default();
    for pair in arguments.chunks(2) {
        let [name, value] = pair else { return Err(USAGE.into()) };
        let number = || value.replace([',', '_'], "").parse().map_err(|_| format!("{name}: {value:?} is not a number"));
        match name.as_str() {
            "--count" => asked.plan.count = Some(number()?),
            "--seconds" => asked.plan.seconds = Some(number()?),
            "--seed" => asked.plan.seed = number()?,
            "--target" => asked.plan.targets = vec![targets::target(value).ok_or_else(|| unknown(value))?],
            "--corpus" => asked.corpus = Some(value.clone()),
            "--save" => asked.save = Some(value.clone()),
            "--input" => asked.input = Some(value.clone()),
            _ => return Err(USAGE.into()),
        }
    }
    if asked.plan.count.is_none() && asked.plan.seconds.is_none() {
        asked.plan.seconds = Some(SECONDS);
    }
    Ok(asked)
}

fn unknown(name: &str) -> String {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    format!("--target: {name:?} is none of {}", names.join(", "))
}

/// Whether nothing was found.
fn run(mut asked: Asked) -> Result<bool, String> {
    if let Some(folder) = asked.corpus {
        return corpus::write(folder.as_ref()).map(|()| true).map_err(|error| format!("{folder}: {error}"));
    }
    if let Some(file) = asked.input {
        let [target] = asked.plan.targets[..] else { return Err(USAGE.into()) };
        let bytes = fs::read(&file).map_err(|error| format!("{file}: {error}"))?;
        println!("{}: {}", target.name, if (target.run)(&bytes) { "accepted" } else { "refused" });
        return Ok(true);
    }
    if let Some(file) = asked.save {
        let [target] = asked.plan.targets[..] else { return Err(USAGE.into()) };
        let (input, _) = driver::make(&corpus::of(target), asked.plan.seed);
        return fs::write(&file, input).map(|()| true).map_err(|error| format!("{file}: {error}"));
    }
    if asked.plan.targets.is_empty() {
        asked.plan.targets = TARGETS.iter().collect();
    }
    Ok(driver::drive(asked.plan))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_inputs_are_accepted_and_any_others_endured() {
        let mut random = crate::random::Random::new(7);
        for target in TARGETS {
            for number in 0..12 {
                assert!((target.run)(&(target.seed)(number)), "{}: seed {number} is refused", target.name);
                let len = random.below(300);
                (target.run)(&targets::random_bytes(&mut random, len));
            }
            (target.run)(&[]);
        }
    }

    #[test]
    fn a_seed_gives_its_input_again() {
        let corpus = corpus::of(targets::target("manifest").expect("there is one"));
        let inputs = || (0..50).map(|seed| driver::make(&corpus, seed)).collect::<Vec<_>>();
        assert_eq!(inputs(), inputs());
        assert!(inputs().iter().any(|(input, valid)| !valid && !corpus.contains(input)));
    }

    #[test]
    fn every_target_has_its_program_and_its_share_of_a_campaign() {
        let (programs, campaign) = (include_str!("../../../../fuzz/Cargo.toml"), include_str!("../../../../fuzz/campaign.mjs"));
        for targets::Target { name, .. } in TARGETS {
            assert!(programs.contains(&format!("name = \"{name}\"")), "fuzz/Cargo.toml has no {name}");
            assert!(campaign.contains(&format!(" {name}: [")), "fuzz/campaign.mjs has no {name}");
        }
    }

    #[test]
    fn arguments_are_read() {
        let args = |text: &str| asked(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        let read = args("--count 1,000 --seed 7 --target graph").expect("they are right");
        assert_eq!((read.plan.count, read.plan.seconds, read.plan.seed, read.plan.targets.len()), (Some(1000), None, 7, 1));
        assert_eq!(args("").expect("nothing is needed").plan.seconds, Some(SECONDS));
        assert!(args("--target none").is_err() && args("--count").is_err() && args("--count x").is_err());
    }
}
