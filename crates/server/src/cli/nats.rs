//! `tidings nats`: what is in NATS, and what a server would do there.

use std::io::Write;
use std::time::Duration;

use clap::{Args, Subcommand};
use tidings_nats::{Nats, Plan, Step};

use super::serve::ConfigArgs;
use crate::config::EngineConfig;
use crate::engine;
use crate::fault::Fault;

/// Look at NATS as the server would.
#[derive(Debug, Args)]
pub(crate) struct NatsArgs {
    #[command(subcommand)]
    command: NatsCommand,
}

#[derive(Debug, Subcommand)]
enum NatsCommand {
    /// Whether NATS can be used and everything there is as it should be; exit code 1 if not.
    Check(LookArgs),
    /// What a server would make and change there when it starts.
    Plan(LookArgs),
}

#[derive(Debug, Args)]
struct LookArgs {
    /// NATS, such as nats://a:4222,b:4222,c:4222 [default: the engine of the settings].
    #[arg(long, env = "TIDINGS_ENGINE", value_name = "ENGINE")]
    engine: Option<EngineConfig>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// How long NATS may take to answer.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Does what was asked.
pub(super) fn run(args: &NatsArgs) -> Result<(), Fault> {
    let (NatsCommand::Check(look) | NatsCommand::Plan(look)) = &args.command;
    let mut config = look.config.load()?;
    if let Some(engine) = &look.engine {
        config.engine.clone_from(engine);
    }
    config.check()?;
    let mut nats = engine::nats_config(&config).ok_or_else(|| {
        Fault::setup("no NATS is named")
            .advise("Say --engine nats://HOST:4222, or set `engine` in the settings.")
    })?;
    // Somebody waits for the answer, and would start NATS first.
    nats.connect_within = CONNECT_WITHIN;
    let plan = Nats::plan(&nats).map_err(|error| engine::fault(&error))?;
    let _ = std::io::stdout().lock().write_all(text(&plan).as_bytes());
    let is_settled = plan.streams.iter().all(|it| it.step == Step::Keep);
    match &args.command {
        NatsCommand::Check(_) if !is_settled => {
            Err(Fault::failure("not everything is as it should be")
                .advise("A server makes and changes it when it starts."))
        }
        _ => Ok(()),
    }
}

fn text(plan: &Plan) -> String {
    let Plan {
        server,
        version,
        cluster,
        replicas,
        streams,
    } = plan;
    let cluster = match cluster {
        Some(cluster) => format!("in the cluster {cluster}"),
        None => "not in a cluster".to_owned(),
    };
    let mut text =
        format!("server   {server}, version {version}, {cluster}\nreplicas {replicas}\n");
    for it in streams {
        let step = match &it.step {
            Step::Keep => "is as it should be".to_owned(),
            Step::Make => "is to be made".to_owned(),
            Step::Change(differences) => differences
                .iter()
                .fold("is to be changed".to_owned(), |text, it| {
                    format!("{text}\n           {it}")
                }),
        };
        text += &format!("stream   {}: {step}\n", it.stream);
    }
    text
}

#[cfg(test)]
mod tests {
    use tidings_nats::{Difference, StreamPlan};

    use super::*;

    #[test]
    fn a_plan_says_what_is_and_what_should_be() {
        let difference = Difference {
            setting: "max_age",
            is: "1s".into(),
            should_be: "2s".into(),
        };
        let stream = |stream: &str, step| StreamPlan {
            stream: stream.to_owned(),
            step,
        };
        let plan = Plan {
            server: "a".into(),
            version: "2.15.1".into(),
            cluster: Some("C".into()),
            replicas: 3,
            streams: vec![
                stream("X", Step::Keep),
                stream("Y", Step::Make),
                stream("Z", Step::Change(vec![difference])),
            ],
        };
        assert_eq!(
            text(&plan),
            "server   a, version 2.15.1, in the cluster C\nreplicas 3\nstream   X: is as it should be\nstream   Y: is to be made\nstream   Z: is to be changed\n           max_age: 1s -> 2s\n"
        );
    }
}
