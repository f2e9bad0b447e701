//! All that a registry can do, behind one pointer.

use crate::admin::Admin;
use crate::catalog::Catalog;
use crate::instancer::Instancer;
use crate::probe::Probe;
use crate::registrar::Registrar;

/// All that a registry can do, behind one pointer: what connecting by URL gives. A backend that can't do something
/// answers `Unsupported`.
pub trait Backend: Registrar + Instancer + Catalog + Admin + Probe {}

impl<T: Registrar + Instancer + Catalog + Admin + Probe> Backend for T {}
