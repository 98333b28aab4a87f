//! `kiln verify`: whether an image may be used, and why not.

use std::process::ExitCode;

use kiln_oci::Reference;
use kiln_trust::Time;
use kiln_trust::format::statement::predicate_type;
use kiln_trust::policy::Demand;
use kiln_trust::verify::{
    Claim, Decision, Evidence, Limits, Question, Refusal, Verdict, verify as decide,
};
use serde_json::{Value, json};

use super::Context;
use super::sign::pair;
use crate::registries::{self, RegistryArgs};
use crate::trust::{Access, PolicyArgs, Trust};
use crate::ui::{self, report::Report};

/// The most refusals that are shown to a person.
const SHOWN: usize = 20;

/// Verify the signatures of images on registries
///
/// Each name is resolved once; the digest that is printed is the one that was verified, and the only one to use afterwards. The exit code is
/// 0 only if every image is signed as the key or the policy demands.
#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// The images
    #[arg(required = true)]
    images: Vec<String>,
    #[command(flatten)]
    trust: PolicyArgs,
    /// With --key: a claim that must be signed; may be repeated
    #[arg(long, short, value_name = "NAME=VALUE", value_parser = pair, conflicts_with = "policy")]
    annotation: Vec<(String, String)>,
    /// With --key: ask for a statement of this type and not for a signature
    #[arg(long, value_name = "TYPE", conflicts_with_all = ["policy", "annotation"])]
    r#type: Option<String>,
    /// Look at no more than so many signatures of an image
    #[arg(long, value_name = "N", default_value_t = Limits::default().entries)]
    limit: usize,
    /// Print a JSON object for each image, one a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Verifies one image after the other.
pub(crate) fn verify(context: &Context, args: &VerifyArgs) -> Result<ExitCode, Report> {
    let references = args.images.iter().map(|image| image.parse());
    let references = references.collect::<Result<Vec<Reference>, _>>()?;
    let now = Time::now();
    let trust = args.trust.read(context, demand(args)?, now)?;
    let remote = registries::remote(context, &args.registry, registries::interruptible()?)?;
    let mut refused = 0;
    for reference in &references {
        let access = Access(remote.repository(reference));
        let Trust {
            policy,
            revocations,
        } = &trust;
        let limits = Limits {
            entries: args.limit,
            ..Limits::default()
        };
        let question = Question {
            reference,
            policy,
            revocations: revocations.as_ref(),
            now,
            limits,
        };
        let verdict = decide(&access, &question);
        let (text, allowed) = match (&verdict, args.json) {
            (Ok(verdict), true) => (
                format!("{}\n", as_json(reference, verdict)),
                verdict.is_allowed(),
            ),
            (Ok(verdict), false) => (for_people(reference, verdict), verdict.is_allowed()),
            (Err(error), true) => {
                let message = Report::from_ref(error).message();
                let value = json!({"schema": 1, "image": reference.to_string(), "allowed": false, "error": message});
                (format!("{value}\n"), false)
            }
            (Err(error), false) => {
                ui::note(&format!(
                    "{}: {}",
                    reference.familiar(),
                    Report::from_ref(error).message()
                ));
                (String::new(), false)
            }
        };
        ui::print(&text)?;
        refused += usize::from(!allowed);
    }
    match (refused, references.len()) {
        (0, _) => Ok(ExitCode::SUCCESS),
        (_, 1) => Err(Report::new(
            "the image must not be used: it is not signed as is demanded",
        )),
        (refused, all) => Err(Report::new(format!(
            "{refused} of {all} images must not be used"
        ))),
    }
}

fn demand(args: &VerifyArgs) -> Result<Demand, Report> {
    match &args.r#type {
        None => Ok(Demand::Signature {
            annotations: args.annotation.iter().cloned().collect(),
        }),
        Some(name) => {
            let kind = predicate_type(name)
                .ok_or_else(|| Report::usage(format!("`{name}` is no type of statement")))?;
            Ok(Demand::Predicate {
                types: vec![kind.to_owned()],
                conditions: vec![],
            })
        }
    }
}

fn pinned(reference: &Reference, decision: &Decision) -> String {
    format!(
        "{}/{}@{}",
        reference.registry(),
        reference.repository(),
        decision.digest
    )
}

fn for_people(reference: &Reference, verdict: &Verdict) -> String {
    let mut out = String::new();
    for decision in &verdict.decisions {
        let word = if decision.is_allowed() {
            "verified"
        } else {
            "REFUSED"
        };
        out.push_str(&format!("{word} {}\n", pinned(reference, decision)));
        if let Some(reason) = &decision.revoked {
            out.push_str(&format!("  {reason}\n"));
        }
        for met in &decision.requirements {
            let mark = if met.is_enough() { "yes" } else { "no " };
            out.push_str(&format!("  {mark} {}\n", met.requirement.describe()));
            for evidence in &met.by {
                out.push_str(&format!("      {}\n", describe(evidence)));
            }
            if !met.is_enough() {
                met.refused
                    .iter()
                    .take(SHOWN)
                    .for_each(|one| out.push_str(&refusal(one)));
            }
        }
        if !decision.is_allowed() {
            decision
                .refused
                .iter()
                .take(SHOWN)
                .for_each(|one| out.push_str(&refusal(one)));
            if let Some(more) = decision
                .refused
                .len()
                .checked_sub(SHOWN)
                .filter(|more| *more > 0)
            {
                out.push_str(&format!("      and {more} more that do not count\n"));
            }
            for why in &decision.incomplete {
                out.push_str(&format!("  not all was looked at: {why}\n"));
            }
        }
    }
    out
}

fn refusal(one: &Refusal) -> String {
    format!("      not {}: {}\n", one.place.short(), one.reason)
}

fn describe(evidence: &Evidence) -> String {
    let time = match (evidence.proven_at, evidence.claimed_at) {
        (Some(at), _) => format!(", at {at} by a time stamp"),
        (None, Some(at)) => format!(", at {at} by its own word"),
        (None, None) => String::new(),
    };
    format!(
        "{} ({}){time}",
        evidence.signer.name,
        evidence.signer.id.short()
    )
}

/// Schema 1.
fn as_json(reference: &Reference, verdict: &Verdict) -> Value {
    let refusals = |list: &[Refusal]| -> Vec<Value> {
        let one = |one: &Refusal| json!({"place": one.place, "code": one.reason.code(), "reason": one.reason.to_string()});
        list.iter().map(one).collect()
    };
    let decisions = verdict.decisions.iter().map(|decision| {
        let requirements = decision.requirements.iter().map(|met| {
            json!({
                "requirement": met.requirement.describe(),
                "role": met.requirement.role,
                "threshold": met.requirement.threshold,
                "met": met.is_enough(),
                "by": met.by.iter().map(evidence).collect::<Vec<_>>(),
                "refused": refusals(&met.refused),
            })
        });
        json!({
            "digest": decision.digest,
            "allowed": decision.is_allowed(),
            "revoked": decision.revoked.as_ref().map(ToString::to_string),
            "requirements": requirements.collect::<Vec<_>>(),
            "refused": refusals(&decision.refused),
            "incomplete": decision.incomplete,
        })
    });
    json!({
        "schema": 1,
        "image": reference.to_string(),
        "digest": verdict.digest,
        "allowed": verdict.is_allowed(),
        "decisions": decisions.collect::<Vec<_>>(),
    })
}

fn evidence(evidence: &Evidence) -> Value {
    let kind = match &evidence.claim {
        Claim::Signature { .. } => "signature",
        Claim::Predicate { predicate_type, .. } => predicate_type,
    };
    json!({
        "place": evidence.place,
        "form": evidence.form,
        "kind": kind,
        "signer": evidence.signer.name,
        "key": evidence.signer.id,
        "claimedAt": evidence.claimed_at,
        "provenAt": evidence.proven_at,
    })
}
