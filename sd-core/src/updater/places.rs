//! Where the updater finds whom: members by their place in the arrays, all others aside.

use std::hash::BuildHasher;
use std::sync::Arc;

use super::{Aside, Stage, Updater};
use crate::endpoints::Seat;
use crate::factory::Factory;
use crate::instance::Instance;
use crate::load::{InstanceKey, Load};
use crate::members::Member;

impl<F: Factory> Updater<F> {
    /// Forgets someone who is gone, and drops the service.
    pub(super) fn forget(&mut self, id: &str) {
        self.next.left_out.remove(id);
        match self.place_of(id) {
            Some(place) => drop(self.take_out(place)),
            None => drop(self.aside.remove(id)),
        }
    }

    /// Gives the member at `place` a new instance of the same id and address.
    pub(super) fn refresh(&mut self, place: usize, instance: Arc<Instance>) {
        let Some(member) = self.next.members.get(place) else { return };
        if !Arc::ptr_eq(member.instance(), &instance) {
            let refreshed = Arc::new(Member::new(instance, member.load()));
            self.next.members.0.set(place, refreshed);
        }
    }

    /// Takes a member out; the last takes its place.
    pub(super) fn take_out(&mut self, place: usize) -> Option<Arc<Seat<F::Service>>> {
        let members = &self.next.members;
        let last = members.len().checked_sub(1)?;
        let (gone, moved) = (Arc::clone(members.get(place)?), Arc::clone(members.get(last)?));
        let seat = Arc::clone(self.next.services.get(place)?);
        let hash = |member: &Member| self.hasher.hash_one(member.instance().id());
        if let Ok(entry) = self.places.find_entry(hash(&gone), |at| *at as usize == place) {
            entry.remove();
        }
        if last != place
            && let Some(at) = self.places.find_mut(hash(&moved), |at| *at as usize == last)
        {
            *at = place as u32;
        }
        self.next.members.0.swap_remove(place);
        self.next.services.swap_remove(place);
        Some(seat)
    }

    pub(super) fn place_of(&self, id: &str) -> Option<usize> {
        let is_it = |at: &u32| self.next.members.get(*at as usize).is_some_and(|member| member.instance().id() == id);
        self.places.find(self.hasher.hash_one(id), is_it).map(|at| *at as usize)
    }

    pub(super) fn index(&mut self, place: usize) {
        let Self { places, hasher, next, .. } = self;
        let id_hash = |at: usize| next.members.get(at).map_or(0, |member| hasher.hash_one(member.instance().id()));
        places.insert_unique(id_hash(place), place as u32, |at| id_hash(*at as usize));
    }

    pub(super) fn address_of(&self, id: &str) -> Option<crate::address::Address> {
        match self.place_of(id) {
            Some(place) => self.next.members.get(place).map(|member| member.instance().address().clone()),
            None => self.next.left_out.get(id).map(|(instance, _)| instance.address().clone()),
        }
    }

    pub(super) fn aside_entry(&mut self, instance: &Arc<Instance>) -> &mut Aside<F::Service> {
        let next_key = &mut self.next_key;
        self.aside.entry(instance.shared_id()).or_insert_with(|| {
            *next_key += 1;
            let load = Load::new(InstanceKey(*next_key), Arc::clone(instance));
            Aside { load, backoff: None, stage: Stage::Unmade }
        })
    }

    pub(super) fn stage(&mut self, id: &Arc<str>, stage: Stage<F::Service>) {
        if let Some(aside) = self.aside.get_mut(id) {
            aside.stage = stage;
        }
    }
}
