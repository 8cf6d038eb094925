//! Decides about the images of a plan. Pure.

use serde::Deserialize;
use serde_json::Value;
use trocar_sdk::{
    Diagnostic, Failure, Object,
    image::ImageReference,
    pod::{list, object, text},
    policy::{Decision, Review},
};
use wildmatch::WildMatch;

/// The policy's settings.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// Approved images; empty approves all.
    pub images: Vec<ImagePattern>,
    /// Mirrors that replace registries.
    pub mirrors: Vec<Mirror>,
    /// Requires a digest in every image.
    pub digest_required: bool,
    /// How images that the target already runs are treated.
    pub unchanged: Unchanged,
    /// The contact in messages.
    pub contact: Option<String>,
}

/// Patterns for the parts of an approved image. A missing part matches anything.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ImagePattern {
    /// The registry, with its port.
    pub registry: Option<String>,
    /// The repository in that registry.
    pub repository: Option<String>,
    /// The tag; an image with neither tag nor digest has `latest`.
    pub tag: Option<String>,
    /// The digest.
    pub digest: Option<String>,
}

/// A mirror of a registry.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mirror {
    /// The pattern for the registry.
    pub from: String,
    /// The mirror: a registry, optionally with a path.
    pub to: String,
}

/// How images that the target already runs are treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unchanged {
    /// They are not checked.
    #[default]
    Allow,
    /// They are checked like all others.
    Check,
}

/// An image in a plan.
struct Used<'a> {
    /// Its owner in messages, such as `container "debugger"`.
    by: String,
    image: &'a str,
    /// The pointer to it in the plan.
    at: String,
}

/// Denies a plan with an image that is not approved, and amends images to those of mirrors.
///
/// # Errors
/// Never fails.
pub fn review(review: &Review<Settings>) -> Result<Decision, Failure> {
    let mut decision = Decision::allow();
    for used in used_images(review) {
        judge(&review.settings, &used, &mut decision);
    }
    Ok(decision)
}

/// Checks what the schema cannot express: that mirrors are registries.
pub fn check(settings: &Settings) -> Vec<Diagnostic> {
    let any = ImageReference::parse("any").expect("a lower-case word is an image");
    let mirrors = settings.mirrors.iter().enumerate();
    let wrong = mirrors.filter(|(_, mirror)| {
        let (registry, prefix) = mirror.split();
        any.with_registry(registry, prefix).is_none()
    });
    wrong
        .map(|(index, mirror)| {
            let message = format!(
                "{:?} is not a registry: it needs a dot or a port, and lower-case letters",
                mirror.to
            );
            Diagnostic::error("invalid-mirror", message).at([
                "mirrors".into(),
                index.to_string(),
                "to".into(),
            ])
        })
        .collect()
}

fn used_images(review: &Review<Settings>) -> Vec<Used<'_>> {
    let checks_all = review.settings.unchanged == Unchanged::Check;
    let containers = review.containers().into_iter();
    let containers = containers.filter(|container| checks_all || !container.keeps("image"));
    let mut used: Vec<Used<'_>> = containers
        .map(|container| Used {
            by: format!("container {:?}", container.name()),
            image: container.image(),
            at: container.at(["image"]),
        })
        .collect();
    for (index, step) in review.plan.steps.iter().enumerate() {
        if step.action == "create-pod" {
            used.extend(volume_images(review, index, &step.object, checks_all));
        }
    }
    used
}

/// Images that are mounted as volumes: `spec.volumes[].image.reference`.
fn volume_images<'a>(
    review: &'a Review<Settings>,
    step: usize,
    pod: &'a Object,
    checks_all: bool,
) -> impl Iterator<Item = Used<'a>> {
    let volumes = |pod: &'a Object| object(pod, "spec").map_or(&[][..], |spec| list(spec, "volumes"));
    let before: &[Value] = volumes(&review.target.0);
    let all = volumes(pod).iter().enumerate();
    all.filter_map(move |(index, volume)| {
        let image = object(volume.as_object()?, "image")?;
        let is_kept = !checks_all && before.contains(volume);
        (!is_kept).then(|| Used {
            by: format!("volume {:?}", volume["name"].as_str().unwrap_or_default()),
            image: text(image, "reference").unwrap_or_default(),
            at: format!("/steps/{step}/object/spec/volumes/{index}/image/reference"),
        })
    })
}

fn judge(settings: &Settings, used: &Used<'_>, decision: &mut Decision) {
    let Used { by, image, at } = used;
    let deny =
        |code: &str, message: String| with_help(settings, Diagnostic::error(code, message).at_pointer(at));
    let Some(reference) = ImageReference::parse(image) else {
        decision.deny(deny(
            "image-invalid",
            format!("{by}: {image:?} is not an image reference"),
        ));
        return;
    };
    if let Some(mirrored) = mirrored(settings, &reference) {
        let why = format!("{by}: {image} is taken from {mirrored}");
        decision.set(
            at.as_str(),
            mirrored.to_string(),
            Diagnostic::info("image-from-mirror", why),
        );
        return;
    }
    if !settings.images.is_empty() && !settings.images.iter().any(|pattern| pattern.fits(&reference)) {
        let message = format!("{by}: the image {image} is not approved");
        decision.deny(deny("image-not-approved", message));
    }
    if settings.digest_required && reference.digest.is_none() {
        let message = format!("{by}: the image {image} must name a digest (…@sha256:…)");
        decision.deny(deny("digest-required", message));
    }
}

fn mirrored(settings: &Settings, reference: &ImageReference) -> Option<ImageReference> {
    let registry = reference.registry();
    let is_for = |mirror: &&Mirror| WildMatch::new(&mirror.from.to_lowercase()).matches(&registry);
    let mirror = settings.mirrors.iter().find(is_for)?;
    let (to, prefix) = mirror.split();
    // The image is on the mirror already, as with a pattern for all registries.
    let is_there = to.eq_ignore_ascii_case(&registry);
    (!is_there).then(|| reference.with_registry(to, prefix)).flatten()
}

impl Mirror {
    /// The registry, and the path before the repository.
    fn split(&self) -> (&str, &str) {
        self.to.split_once('/').unwrap_or((&self.to, ""))
    }
}

impl ImagePattern {
    fn fits(&self, image: &ImageReference) -> bool {
        let fits = |pattern: &Option<String>, value: &str| {
            let pattern = pattern.as_deref();
            pattern.is_none_or(|pattern| WildMatch::new(pattern).matches(value))
        };
        let registry = self.registry.as_deref().map(str::to_lowercase);
        let tag = match (&image.tag, &image.digest) {
            // With a digest container runtimes ignore the tag, so it must not approve the image.
            (_, Some(_)) if self.digest.is_none() && self.tag.is_some() => return false,
            (Some(tag), _) => tag.as_str(),
            (None, Some(_)) => "",
            (None, None) => "latest",
        };
        let digest = image.digest.as_deref().unwrap_or_default();
        fits(&registry, &image.registry())
            && fits(&self.repository, &image.repository())
            && (image.digest.is_some() || fits(&self.tag, tag))
            && fits(&self.digest, digest)
            && (self.digest.is_none() || image.digest.is_some())
    }

    fn shown(&self) -> String {
        let part = |part: &Option<String>| part.clone().unwrap_or_else(|| "*".into());
        let tag = self.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = self
            .digest
            .as_ref()
            .map(|digest| format!("@{digest}"))
            .unwrap_or_default();
        format!("{}/{}{tag}{digest}", part(&self.registry), part(&self.repository))
    }
}

/// The most approved images that a denial lists.
const MAX_SHOWN: usize = 5;

fn with_help(settings: &Settings, found: Diagnostic) -> Diagnostic {
    let mut approved: Vec<String> = settings
        .images
        .iter()
        .take(MAX_SHOWN)
        .map(ImagePattern::shown)
        .collect();
    if settings.images.len() > MAX_SHOWN {
        approved.push(format!("{} more", settings.images.len() - MAX_SHOWN));
    }
    let approved = (!approved.is_empty()).then(|| format!("approved are {}", approved.join(", ")));
    let contact = settings
        .contact
        .as_deref()
        .map(|contact| format!("ask {contact}"));
    let parts: Vec<String> = approved.into_iter().chain(contact).collect();
    if parts.is_empty() {
        return found;
    }
    found.help(parts.join("; "))
}
