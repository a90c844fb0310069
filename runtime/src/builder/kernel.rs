//! A runtime on the kernel backend.

use std::sync::Arc;

use super::{BuildError, Builder, Chosen, Layout, launch};
use crate::backend::kernel::{Dispatcher, start};
use crate::ingress::{Admission, Ingress};
use crate::policy::Policy;
use crate::runtime::{AnyCrew, Parts, Runtime};
use crate::stats;

impl<P: Policy + Send + 'static, I: Ingress + 'static> Builder<P, I> {
    pub(super) fn build_on_kernel(
        self,
        layout: Layout,
        chosen: Chosen,
    ) -> Result<Runtime, BuildError> {
        let Layout { dispatcher_cpu, is_cramped, options } = layout;
        let (shared, crew) =
            start(&options, self.policy).map_err(|error| BuildError::Kernel(error.to_string()))?;
        super::wire_bell(&shared, &self.ingress);
        let (names, classes): (Vec<_>, Vec<_>) = self.settings.classes.into_iter().unzip();
        let admission = Arc::new(Admission::new(Arc::clone(&shared), classes));
        let (recorder, reader) = stats::stages(names.len());
        let seats = crew.seats();
        let dispatcher = Dispatcher {
            shared: Arc::clone(&shared),
            idle: (0..seats.len() as u16).rev().collect(),
            seats,
            enclave: crew.enclave(),
            ingress: self.ingress,
            admission: Arc::clone(&admission),
            recorder,
            workers: vec![0; options.tasks_max],
        };
        let crew = AnyCrew::Kernel(crew);
        let parts = Parts { shared, admission, names, reader, crew, is_cramped, chosen };
        launch(parts, self.settings.name, dispatcher_cpu, move || dispatcher.main())
    }
}
