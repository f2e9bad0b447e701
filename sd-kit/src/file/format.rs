//! From a document to services and their instances.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;
use std::sync::Arc;

use sd_core::{Address, Health, Instance, ServiceName, defaults};

use super::document::{Content, Fault, Node, Pair, read};

/// What a file says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Services(BTreeMap<ServiceName, Vec<Arc<Instance>>>);

impl Services {
    /// The instances of one service; one that the file does not name has none.
    pub(super) fn of(&self, service: &ServiceName) -> impl Iterator<Item = Arc<Instance>> + use<'_> {
        self.0.get(service).into_iter().flatten().map(Arc::clone)
    }

    /// Those that have an instance.
    pub(super) fn names(&self) -> impl Iterator<Item = ServiceName> + use<'_> {
        self.0.iter().filter(|(_, instances)| !instances.is_empty()).map(|(name, _)| name.clone())
    }
}

/// How an instance can be written; the order is the documentation's.
const FIELDS: &str = "address, id, weight, health, zone, tags, metadata, ports";

/// Reads services from a file's text. All of it is right, or none of it is taken.
pub(super) fn services(text: &str) -> Result<Services, Fault> {
    let document = read(text)?;
    let mut services = Services::default();
    let mut count = 0;
    for Pair { key, line, value } in pairs(&document, "the file", "a map from services to instances")? {
        let service = key.parse::<ServiceName>().map_err(|error| Fault::at(*line, error.message()))?;
        let nodes = match &value.content {
            Content::Nothing => &[],
            Content::List(nodes) => nodes.as_slice(),
            _ => return Err(Fault::at(value.line, format!("{key:?} is not a list of instances"))),
        };
        count += nodes.len();
        if count > defaults::MAX_FILE_INSTANCES {
            let why = format!("more than {} instances; that many are allowed", defaults::MAX_FILE_INSTANCES);
            return Err(Fault::at(value.line, why));
        }
        services.0.insert(service, instances(key, nodes)?);
    }
    Ok(services)
}

fn instances(service: &str, nodes: &[Arc<Node>]) -> Result<Vec<Arc<Instance>>, Fault> {
    let mut lines = HashMap::with_capacity(nodes.len());
    let mut instances = Vec::with_capacity(nodes.len());
    for node in nodes {
        let instance = instance(node)?;
        instance.validate().map_err(|error| Fault::at(node.line, error.message()))?;
        if let Some(before) = lines.insert(instance.id().to_owned(), node.line) {
            let why = format!("{service} has an instance {:?} already, in line {before}", instance.id());
            return Err(Fault::at(node.line, why));
        }
        instances.push(Arc::new(instance));
    }
    Ok(instances)
}

fn instance(node: &Node) -> Result<Instance, Fault> {
    let fields = match &node.content {
        Content::Text(address) => return Ok(Instance::new(parsed::<Address>(node.line, address)?)),
        Content::Map(fields) => fields,
        _ => return Err(Fault::at(node.line, "an instance is an address, or a map with one")),
    };
    let address = fields.iter().find(|field| field.key == "address");
    let address = address.ok_or_else(|| Fault::at(node.line, "an instance without its address"))?;
    let mut instance = Instance::new(parsed::<Address>(address.line, text(address)?)?);
    for field in fields {
        // `zone:` with nothing behind it says as much as no zone at all.
        if field.value.content == Content::Nothing && field.key != "address" && is_known(&field.key) {
            continue;
        }
        instance = match field.key.as_str() {
            "address" => instance,
            "id" => instance.with_id(text(field)?),
            "weight" => instance.with_weight(number(field, defaults::MAX_WEIGHT)?),
            "health" => instance.with_health(health(field)?),
            "zone" => instance.with_zone(text(field)?),
            "tags" => tags(field)?.into_iter().fold(instance, Instance::with_tag),
            "metadata" => inner(field)?
                .iter()
                .try_fold(instance, |instance, pair| Ok(instance.with_metadata(pair.key.as_str(), text(pair)?)))?,
            "ports" => inner(field)?.iter().try_fold(instance, |instance, pair| {
                Ok(instance.with_port(pair.key.as_str(), number(pair, u16::MAX)?))
            })?,
            unknown => return Err(Fault::at(field.line, format!("unknown field {unknown:?}; known are {FIELDS}"))),
        };
    }
    Ok(instance)
}

fn is_known(field: &str) -> bool {
    FIELDS.split(", ").any(|known| known == field)
}

fn parsed<T: FromStr<Err = sd_core::Error>>(line: usize, text: &str) -> Result<T, Fault> {
    text.parse().map_err(|error: sd_core::Error| Fault::at(line, error.message()))
}

fn text(field: &Pair) -> Result<&str, Fault> {
    match &field.value.content {
        Content::Text(text) => Ok(text),
        _ => Err(Fault::at(field.line, format!("{:?} is not a text", field.key))),
    }
}

fn number<T: FromStr + std::fmt::Display>(field: &Pair, most: T) -> Result<T, Fault> {
    let given = text(field)?;
    // What is too large for the type is what `most` says; what is in between is the instance's own check.
    let digits = !given.is_empty() && given.bytes().all(|byte| byte.is_ascii_digit());
    given.parse().ok().filter(|_| digits).ok_or_else(|| {
        Fault::at(field.line, format!("{} {given:?}: allowed are whole numbers up to {most}", field.key))
    })
}

fn health(field: &Pair) -> Result<Health, Fault> {
    match text(field)? {
        "up" => Ok(Health::Up),
        "draining" => Ok(Health::Draining),
        "down" => Ok(Health::Down),
        other => Err(Fault::at(field.line, format!("health {other:?}: allowed are up, draining and down"))),
    }
}

fn tags(field: &Pair) -> Result<Vec<&str>, Fault> {
    let Content::List(tags) = &field.value.content else {
        return Err(Fault::at(field.line, "tags are a list, as [v1, blue]"));
    };
    let tag = |node: &Arc<Node>| match &node.content {
        Content::Text(_) => Ok(()),
        _ => Err(Fault::at(node.line, "a tag that is not a text")),
    };
    tags.iter().try_for_each(tag)?;
    Ok(tags
        .iter()
        .filter_map(|node| if let Content::Text(tag) = &node.content { Some(tag.as_str()) } else { None })
        .collect())
}

fn inner(field: &Pair) -> Result<&[Pair], Fault> {
    pairs(&field.value, &field.key, "a map")
}

fn pairs<'a>(node: &'a Node, what: &str, wanted: &str) -> Result<&'a [Pair], Fault> {
    match &node.content {
        Content::Map(pairs) => Ok(pairs),
        _ => Err(Fault::at(node.line, format!("{what} is not {wanted}"))),
    }
}

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
